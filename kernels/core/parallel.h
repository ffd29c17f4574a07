#pragma once
// Threads for CPU kernels: one loop, split evenly, exceptions carried to the caller.

#include <omp.h>

#include <cstdint>
#include <exception>

#include "kernels/core/context.h"

namespace balmer {

/// Calls `body(begin, end)` on disjoint ranges that cover [0, count). Ranges are the same for the
/// same count and thread number, so results that depend on them repeat. Runs on one thread when
/// count <= grain.
template <class Body>
void parallel_ranges(const Context& context, std::int64_t count, std::int64_t grain, Body&& body) {
    if (count <= 0) return;
    const std::int64_t wanted = (count + grain - 1) / (grain > 0 ? grain : 1);
    const auto threads =
        static_cast<int>(wanted < thread_count(context) ? wanted : thread_count(context));
    if (threads <= 1 || omp_in_parallel() != 0) {
        body(std::int64_t{0}, count);
        return;
    }
    std::exception_ptr failure;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int part = 0; part < threads; ++part) {
        try {
            body(count * part / threads, count * (part + 1) / threads);
        } catch (...) {
#pragma omp critical
            failure = std::current_exception();
        }
    }
    if (failure) std::rethrow_exception(failure);
}

/// Calls `body(i)` for every i in [0, count).
template <class Body>
void parallel_for(const Context& context, std::int64_t count, std::int64_t grain, Body&& body) {
    parallel_ranges(context, count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) body(i);
    });
}

}  // namespace balmer
