#pragma once
// Loops compiled twice: for the baseline of the build and for AVX-512, chosen at run time. Only for
// loops whose elements do not depend on each other: their bits do not depend on the vector width.

namespace balmer {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

/// `body()`, with everything it calls inlined and compiled for AVX-512.
template <class Body>
[[gnu::target("arch=x86-64-v4,prefer-vector-width=512"), gnu::flatten]] void run_with_avx512(
    const Body& body) {
    body();
}

/// Runs `body()` with the widest vectors this CPU has.
template <class Body>
void with_widest_vectors(const Body& body) {
    if (__builtin_cpu_supports("x86-64-v4")) return run_with_avx512(body);
    body();
}

#else

template <class Body>
void with_widest_vectors(const Body& body) {
    body();
}

#endif

}  // namespace balmer
