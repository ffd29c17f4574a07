#pragma once
// The words of device code for nvcc: PTX wrappers, with twins in kernels/simt/dialect.cuh, and the
// launch. Included through device_code.cuh.

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#define BALMER_UNROLL _Pragma("unroll")

namespace balmer::cuda_device {

inline constexpr DeviceType this_device = DeviceType::cuda;
inline constexpr unsigned full_warp = 0xFFFFFFFFU;

/// The arrays of a block's shared memory, taken by every thread in the same order; one object a
/// kernel.
class SharedMemory {
  public:
    template <class T>
    __device__ __forceinline__ T* array(int count) {
        extern __shared__ __align__(128) unsigned char block_memory[];
        T* start = reinterpret_cast<T*>(block_memory + offset_);
        offset_ +=
            (static_cast<unsigned>(count) * static_cast<unsigned>(sizeof(T)) + 127U) / 128U * 128U;
        return start;
    }

  private:
    unsigned offset_ = 0;
};

/// d (16 x 8, f32) += a (16 x 16, bf16, row-major) * b (16 x 8, bf16, column-major); PTX ISA,
/// mma.m16n8k16.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                                         std::uint32_t b0, std::uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ std::uint32_t shared_address(const void* pointer) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

/// Four 8 x 8 matrices of 16-bit elements; lane i gives row i % 8 of matrix i / 8 (16-byte
/// aligned).
__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&registers)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(shared_address(row))
                 : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_transposed(std::uint32_t (&registers)[4],
                                                       const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/// Copies 16 bytes from global into shared memory past the registers, or writes zeros where not
/// `is_valid`.
__device__ __forceinline__ void copy_async_16(void* destination, const void* source,
                                              bool is_valid) {
    asm volatile("cp.async.cg.shared.global [%0],[%1],16,%2;" ::"r"(shared_address(destination)),
                 "l"(source), "r"(is_valid ? 16 : 0)
                 : "memory");
}
__device__ __forceinline__ void copy_async_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until at most `pending` of this thread's groups are unfinished.
template <int pending>
__device__ __forceinline__ void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

__device__ __forceinline__ float exp2_approximate(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0,%1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ float reciprocal_square_root(float x) {
    return 1.0F / sqrtf(x);
}
__device__ __forceinline__ float fused_multiply_add(float a, float b, float c) {
    return __fmaf_rn(a, b, c);
}
__device__ __forceinline__ float to_float(bfloat16 value) {
    return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16);
}
__device__ __forceinline__ float to_float(float value) {
    return value;
}
/// Two numbers as bf16 in one register, `low` in the lower half.
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
    std::uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0,%1,%2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}
template <class T>
__device__ __forceinline__ T from_float(float value);
template <>
__device__ __forceinline__ float from_float<float>(float value) {
    return value;
}
template <>
__device__ __forceinline__ bfloat16 from_float<bfloat16>(float value) {
    bfloat16 result;
    result.bits = static_cast<std::uint16_t>(pack_bf16(value, 0.0F));
    return result;
}
__device__ __forceinline__ float low_bf16(std::uint32_t pair) {
    return __uint_as_float(pair << 16);
}
__device__ __forceinline__ float high_bf16(std::uint32_t pair) {
    return __uint_as_float(pair & 0xFFFF0000U);
}

/// Makes the context's device current and lets `kernel` use this much shared memory; DeviceError
/// if the context has no stream or the device refuses.
void before_launch(const char* name, const Context& context, const void* kernel,
                   const LaunchShape& shape);
/// DeviceError naming the kernel and the launch if it was refused.
void after_launch(const char* name, const Context& context, const LaunchShape& shape);

/// DeviceError if there is no such device.
LaunchLimits limits_of(const Context& context);

/// Launches `kernel` on the context's stream; does nothing for an empty grid.
template <class... Parameters>
void launch(const char* name, const Context& context, void (*kernel)(Parameters...),
            const LaunchShape& shape, std::type_identity_t<Parameters>... arguments) {
    if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
    before_launch(name, context, reinterpret_cast<const void*>(kernel), shape);
    kernel<<<dim3(shape.grid.x, shape.grid.y, shape.grid.z), shape.threads, shape.shared_bytes,
             static_cast<cudaStream_t>(context.stream)>>>(arguments...);
    after_launch(name, context, shape);
}

}  // namespace balmer::cuda_device
