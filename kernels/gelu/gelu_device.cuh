#pragma once
// gelu and its derivative of one f32 number in device code, shared by the gelu room and gemm's
// epilogue.

#include "kernels/core/device_code.cuh"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

/// The density of the standard normal distribution.
__device__ __forceinline__ float gaussian_density(float p) {
    return 0.39894228040143268F * expf(-0.5F * p * p);
}

/// Phi(p) = erfc(-p / sqrt 2) / 2. Rounding the argument alone would cost p^2 ulp in the tail, so
/// what it lost comes back to first order.
__device__ __forceinline__ float gaussian_distribution(float p) {
    constexpr float scale = 0.70710677F;
    constexpr float scale_rest = 1.2101617e-8F;
    const float q = scale * p;
    const float lost = fused_multiply_add(scale, p, -q) + scale_rest * p;
    return 0.5F * erfcf(-q) + 1.4142135F * lost * gaussian_density(p);
}

__device__ __forceinline__ float gelu_of(float p) {
    return p * gaussian_distribution(p);
}

__device__ __forceinline__ float gelu_derivative_of(float p) {
    return gaussian_distribution(p) + p * gaussian_density(p);
}

}  // namespace cuda_build / simt_build
}  // namespace balmer::kernels
