#pragma once
// Pieces that the kernels over rows of matrices share: moves of 16 bytes, sums over the threads
// that hold one row, and the second stage of sums over rows. Included by `*_cuda.cu` files.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/core/device_code.cuh"
#include "kernels/core/view.h"

namespace balmer {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

template <int width, class T>
__device__ __forceinline__ Group<T, width> load_group(const T* source) {
    return *reinterpret_cast<const Group<T, width>*>(source);
}
template <int width, class T>
__device__ __forceinline__ void store_group(T* destination, const Group<T, width>& group) {
    *reinterpret_cast<Group<T, width>*>(destination) = group;
}

/// Elements of T in 16 bytes.
template <class T>
inline constexpr int vector_width = 16 / static_cast<int>(sizeof(T));

/// True where every row of a matrix, or an absent one, can be moved in groups of 16 bytes. The last
/// dimension is contiguous.
inline bool has_vector_rows(const View& view) {
    if (!view) return true;
    const auto bytes = static_cast<std::int64_t>(size_of(view.dtype));
    bool fits = reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
    for (int i = 0; i + 1 < view.shape.rank(); ++i) {
        fits = fits && view.strides[i] * bytes % 16 == 0;
    }
    return fits && (view.shape.rank() == 0 || view.shape.back() * bytes % 16 == 0);
}

/// Calls `body` with the first of `choices` that is at least `needed`, as a std::integral_constant;
/// false if there is none.
template <int... choices, class Body>
bool with_at_least(std::int64_t needed, Body&& body) {
    return ((needed <= choices && (body(std::integral_constant<int, choices>{}), true)) || ...);
}

/// Sums two numbers over a team of threads, a warp or the whole block, in a fixed order; every
/// thread gets them. `scratch` is a shared array of 64 floats where the team is a block.
template <int team>
__device__ __forceinline__ void team_sum(float& a, float& b, float* scratch) {
    BALMER_UNROLL
    for (int distance = 16; distance > 0; distance /= 2) {
        a += __shfl_xor_sync(full_warp, a, distance);
        b += __shfl_xor_sync(full_warp, b, distance);
    }
    if constexpr (team > lanes_per_warp) {
        const int warp = static_cast<int>(threadIdx.x) / lanes_per_warp;
        if (threadIdx.x % lanes_per_warp == 0) {
            scratch[2 * warp] = a;
            scratch[2 * warp + 1] = b;
        }
        __syncthreads();
        a = scratch[0];
        b = scratch[1];
        BALMER_UNROLL
        for (int i = 1; i < team / lanes_per_warp; ++i) {
            a += scratch[2 * i];
            b += scratch[2 * i + 1];
        }
        __syncthreads();
    }
}

template <int team>
__device__ __forceinline__ float team_sum(float value, float* scratch) {
    if constexpr (team > lanes_per_warp) {
        return block_sum(value, scratch);
    } else {
        return warp_sum(value);
    }
}

/// The sum of x[i * stride], i < count, for each lane's own x (null for none); in warp 0. The warps
/// of the block share the rows, and their totals are added in order. `scratch` is a shared array of
/// a float a thread.
__device__ __forceinline__ float column_total(const float* x, std::int64_t count,
                                              std::int64_t stride, float* scratch) {
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    float total = 0.0F;
    if (x != nullptr) {
        for (std::int64_t i = thread / lanes_per_warp; i < count; i += threads / lanes_per_warp) {
            total += x[i * stride];
        }
    }
    scratch[thread] = total;
    __syncthreads();
    if (thread < lanes_per_warp) {
        for (int i = thread + lanes_per_warp; i < threads; i += lanes_per_warp) total += scratch[i];
    }
    return total;
}

}  // namespace cuda_build / simt_build
}  // namespace balmer
