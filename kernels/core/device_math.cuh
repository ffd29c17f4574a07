#pragma once
// Small device functions that every room uses; included through device_code.cuh.

namespace balmer {
// The two compilations of one source are different functions.
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

inline constexpr int lanes_per_warp = 32;
inline constexpr float log2_e = 1.4426950408889634F;
inline constexpr float ln_2 = 0.6931471805599453F;

/// `width` neighbouring elements, read or written in accesses of up to 16 bytes.
template <class T, int width>
struct alignas(width * sizeof(T) < 16 ? width * sizeof(T) : 16) Group {
    T values[width];
};

/// The sum over the warp, in every lane, in a fixed order.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
    BALMER_UNROLL
    for (int distance = 16; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(full_warp, value, distance);
    }
    return value;
}

template <class T>
__device__ __forceinline__ T warp_max(T value) {
    BALMER_UNROLL
    for (int distance = 16; distance > 0; distance /= 2) {
        const T other = __shfl_xor_sync(full_warp, value, distance);
        value = value < other ? other : value;
    }
    return value;
}

/// The sum over the block, in every thread, in a fixed order. `scratch` is a shared array of at
/// least 32 elements; it may be used again after the call.
template <class T>
__device__ __forceinline__ T block_sum(T value, T* scratch) {
    const int lane = static_cast<int>(threadIdx.x) % lanes_per_warp;
    const int warp = static_cast<int>(threadIdx.x) / lanes_per_warp;
    const int warps = static_cast<int>(blockDim.x) / lanes_per_warp;
    value = warp_sum(value);
    if (lane == 0) scratch[warp] = value;
    __syncthreads();
    T total = scratch[0];
    for (int i = 1; i < warps; ++i) total += scratch[i];
    __syncthreads();
    return total;
}

}  // namespace cuda_build / simt_build
}  // namespace balmer
