#pragma once
// Sums and maxima of contiguous f32, in 32 lanes (8 at the end) whatever vectors the CPU has: the
// same bits everywhere, and enough sums at once to hide the latency of an addition.

#include <cstdint>
#include <cstring>
#include <limits>

namespace balmer {

/// Eight f32 that the compiler keeps in one AVX register or two SSE ones.
using Lanes = float __attribute__((vector_size(32)));

/// Folds x[0 .. n) into `initial` by `fold`, which takes and changes an accumulator.
template <class Fold>
float fold_lanes(const float* x, std::int64_t n, float initial, const Fold& fold) {
    const Lanes start = {initial, initial, initial, initial, initial, initial, initial, initial};
    Lanes sums[4] = {start, start, start, start};
    Lanes loaded;
    std::int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        for (int v = 0; v < 4; ++v) {
            std::memcpy(&loaded, x + i + 8 * v, sizeof loaded);
            fold(sums[v], loaded);
        }
    }
    for (int v = 0; i + 8 <= n; i += 8, ++v) {
        std::memcpy(&loaded, x + i, sizeof loaded);
        fold(sums[v], loaded);
    }
    fold(sums[0], sums[2]);
    fold(sums[1], sums[3]);
    fold(sums[0], sums[1]);
    float lanes[8];
    std::memcpy(lanes, sums, sizeof lanes);
    for (int l = 0; i < n; ++i, ++l) fold(lanes[l], x[i]);
    for (int width = 4; width > 0; width /= 2) {
        for (int l = 0; l < width; ++l) fold(lanes[l], lanes[l + width]);
    }
    return lanes[0];
}

inline float sum_of(const float* x, std::int64_t n) {
    return fold_lanes(x, n, 0.0F, [](auto& total, const auto& value) { total += value; });
}

/// The largest element that is not NaN, -infinity if there is none.
inline float maximum_of(const float* x, std::int64_t n) {
    return fold_lanes(x, n, -std::numeric_limits<float>::infinity(),
                      [](auto& most, const auto& value) { most = value > most ? value : most; });
}

}  // namespace balmer
