#include "tests/kernels/planted_bugs.h"

#include <stdexcept>
#include <string>

#include "kernels/core/device_code.cuh"

namespace balmer::kernels::testing {
namespace {

constexpr int threads = planted_threads;

/// Across warps, so that only a block barrier helps.
__device__ __forceinline__ int far_from(int thread) {
    return (thread + 33) % threads;
}

template <bool has_bug>
__global__ void missing_barrier(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(threads);
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    row[t] = from[base + t];
    if constexpr (!has_bug) __syncthreads();
    to[base + t] = row[far_from(t)];
}

/// A block takes several tiles through one buffer.
template <bool has_bug>
__global__ void refilled_buffer(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(threads);
    const int t = static_cast<int>(threadIdx.x);
    for (int base = 0; base < planted_numbers; base += threads) {
        row[t] = from[base + t];
        __syncthreads();
        to[base + t] = row[far_from(t)];
        if constexpr (!has_bug) __syncthreads();
    }
}

template <bool has_bug>
__global__ void write_out_of_bounds(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(has_bug ? threads - 1 : threads);
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    row[t] = from[base + t];
    __syncthreads();
    to[base + t] = row[far_from(t)];
}

template <bool has_bug>
__global__ void divergent_barrier(float* to, const float* from) {
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    if (!has_bug || t < 64) __syncthreads();
    to[base + t] = from[base + far_from(t)];
}

template <bool has_bug>
__global__ void missing_copy_wait(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(threads);
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    if (t < threads / 4) copy_async_16(row + 4 * t, from + base + 4 * t, true);
    copy_async_commit();
    copy_async_wait<has_bug ? 1 : 0>();
    __syncthreads();
    to[base + t] = row[far_from(t)];
    copy_async_wait<0>();
}

template <bool has_bug>
__global__ void missing_syncwarp(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(threads);
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    row[t] = from[base + t];
    if constexpr (!has_bug) __syncwarp();
    to[base + t] = row[t ^ 1];
}

/// The bug counts on what the first block left in shared memory.
template <bool has_bug>
__global__ void stale_shared_read(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(threads);
    const int t = static_cast<int>(threadIdx.x);
    if (!has_bug || blockIdx.x == 0) row[t] = from[t];
    __syncthreads();
    to[static_cast<int>(blockIdx.x) * threads + t] = row[far_from(t)];
}

struct alignas(16) FourNumbers {
    float values[4];
};

template <bool has_bug>
__global__ void misaligned_vector(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(threads + 4) + (has_bug ? 1 : 0);
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    row[t] = from[base + t];
    __syncthreads();
    if (t >= threads / 4) return;
    const FourNumbers four = reinterpret_cast<const FourNumbers*>(row)[t];
    for (int k = 0; k < 4; ++k) to[base + 4 * t + k] = four.values[k];
}

template <bool has_bug>
__global__ void read_beyond_the_operand(float* to, const float* from) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int next = has_bug || i + 1 < planted_numbers ? i + 1 : i;
    to[i] = from[next] == 12345.0F ? 0.0F : from[i];
}

template <bool has_bug>
__global__ void unmatched_warp_operations(float* to, const float* from) {
    const int t = static_cast<int>(threadIdx.x);
    const int i = static_cast<int>(blockIdx.x) * threads + t;
    float value = from[i];
    if (has_bug && t % 32 < 16) {
        value = __shfl_down_sync(full_warp, value, 0);
    } else {
        value = __shfl_up_sync(full_warp, value, 0);
    }
    to[i] = value;
}

template <bool has_bug>
__global__ void partial_mask(float* to, const float* from) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    to[i] = __shfl_xor_sync(has_bug ? 0xFFFFU : full_warp, from[i], 1);
}

template <bool has_bug>
__global__ void array_larger_than_the_launch(float* to, const float* from) {
    SharedMemory shared;
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    float* row = shared.array<float>(has_bug ? 1000 : threads);
    row[t] = from[base + t];
    to[base + t] = row[t];
}

template <bool has_bug>
__global__ void arrays_of_several_sizes(float* to, const float* from) {
    SharedMemory shared;
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    float* row = shared.array<float>(has_bug && t == 77 ? threads + 1 : threads);
    row[t] = from[base + t];
    to[base + t] = row[t];
}

template <bool has_bug>
__global__ void misaligned_copy(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(threads);
    const int t = static_cast<int>(threadIdx.x);
    const int base = static_cast<int>(blockIdx.x) * threads;
    if (t < threads / 4) copy_async_16(row + 4 * t + (has_bug ? 1 : 0), from + base + 4 * t, true);
    copy_async_commit();
    copy_async_wait<0>();
    __syncthreads();
    to[base + t] = row[t];
}

template <bool has_bug>
__global__ void unfinished_copy(float* to, const float* from) {
    SharedMemory shared;
    float* row = shared.array<float>(4 * threads);
    const int t = static_cast<int>(threadIdx.x);
    const int i = static_cast<int>(blockIdx.x) * threads + t;
    copy_async_16(row + 4 * t, from, true);
    copy_async_commit();
    if constexpr (!has_bug) copy_async_wait<0>();
    copy_async_commit();
    to[i] = from[i];
}

template <bool has_bug>
__global__ void misaligned_matrix_row(float* to, const float* from) {
    SharedMemory shared;
    std::uint16_t* rows = shared.array<std::uint16_t>(32 * 8 + 8);
    const int t = static_cast<int>(threadIdx.x);
    for (int i = t; i < 32 * 8 + 8; i += threads) rows[i] = 0;
    __syncthreads();
    std::uint32_t registers[4];
    ldmatrix_x4(registers, rows + t % 32 * 8 + (has_bug && t == 9 ? 1 : 0));
    const int i = static_cast<int>(blockIdx.x) * threads + t;
    to[i] = registers[0] == 0 ? from[i] : 0.0F;
}

template <bool has_bug>
__global__ void histogram(int* counts) {
    SharedMemory shared;
    int* own = shared.array<int>(8);
    const int t = static_cast<int>(threadIdx.x);
    if (t < 8) own[t] = 0;
    __syncthreads();
    atomicAdd(own + t % 8, 1);
    if constexpr (!has_bug) __syncthreads();
    if (t < 8) atomicAdd(counts + t, own[t]);
}

__attribute__((noinline)) __device__ float deep_sum(const float* from, int depth, bool diverges) {
    float numbers[64];
    for (int k = 0; k < 64; ++k) numbers[k] = from[k] * static_cast<float>(depth);
    if (depth > 0) numbers[depth] += deep_sum(from, depth - 1, diverges);
    const float sum = warp_sum(numbers[threadIdx.x % 64]);
    if (depth == 0 && (!diverges || threadIdx.x != 5)) __syncthreads();
    return sum + numbers[63 - depth];
}

__global__ void deep_frames(float* to, const float* from, bool diverges) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    to[i] = deep_sum(from, 5, diverges);
}

constexpr LaunchShape usual_shape{{planted_blocks}, threads, shared_bytes_of(threads * 4)};
constexpr LaunchShape single_shape{{1}, threads, shared_bytes_of(threads * 4)};
constexpr LaunchShape wide_shape{{planted_blocks}, threads, shared_bytes_of(threads * 16)};

template <auto buggy, auto right, const LaunchShape& shape>
void run(const Context& context, bool has_bug, float* to, const float* from) {
    launch("planted", context, has_bug ? buggy : right, shape, to, from);
}

int itself(int i) {
    return i;
}
int far(int i) {
    return i / threads * threads + far_from(i % threads);
}
int beside(int i) {
    return i ^ 1;
}
int far_in_first(int i) {
    return far_from(i % threads);
}

constexpr PlantedKernel kernels[] = {
    {"missing barrier", run<missing_barrier<true>, missing_barrier<false>, usual_shape>, far},
    {"refilled buffer", run<refilled_buffer<true>, refilled_buffer<false>, single_shape>, far},
    {"write out of bounds", run<write_out_of_bounds<true>, write_out_of_bounds<false>, usual_shape>,
     far},
    {"divergent barrier", run<divergent_barrier<true>, divergent_barrier<false>, usual_shape>, far},
    {"missing copy wait", run<missing_copy_wait<true>, missing_copy_wait<false>, usual_shape>, far},
    {"missing syncwarp", run<missing_syncwarp<true>, missing_syncwarp<false>, usual_shape>, beside},
    {"stale shared read", run<stale_shared_read<true>, stale_shared_read<false>, usual_shape>,
     far_in_first},
    {"misaligned vector", run<misaligned_vector<true>, misaligned_vector<false>, wide_shape>,
     itself},
    {"read beyond the operand",
     run<read_beyond_the_operand<true>, read_beyond_the_operand<false>, usual_shape>, itself},
    {"unmatched warp operations",
     run<unmatched_warp_operations<true>, unmatched_warp_operations<false>, usual_shape>, itself},
    {"partial mask", run<partial_mask<true>, partial_mask<false>, usual_shape>, beside},
    {"array larger than the launch",
     run<array_larger_than_the_launch<true>, array_larger_than_the_launch<false>, usual_shape>,
     itself},
    {"arrays of several sizes",
     run<arrays_of_several_sizes<true>, arrays_of_several_sizes<false>, usual_shape>, itself},
    {"misaligned copy", run<misaligned_copy<true>, misaligned_copy<false>, usual_shape>, itself},
    {"unfinished copy", run<unfinished_copy<true>, unfinished_copy<false>, wide_shape>, itself},
    {"misaligned matrix row",
     run<misaligned_matrix_row<true>, misaligned_matrix_row<false>, wide_shape>, itself},
};

}  // namespace

PlantedBuild planted_build() {
#if defined(__SANITIZE_THREAD__)
    return PlantedBuild::race;
#elif defined(__SANITIZE_ADDRESS__)
    return PlantedBuild::address;
#else
    return PlantedBuild::plain;
#endif
}

std::span<const PlantedKernel> planted_kernels() {
    return kernels;
}

const PlantedKernel& planted_kernel(const char* name) {
    for (const auto& kernel : kernels) {
        if (std::string(kernel.name) == name) return kernel;
    }
    throw std::invalid_argument(name);
}

void run_histogram(const Context& context, bool has_bug, int* counts) {
    launch("histogram", context, has_bug ? histogram<true> : histogram<false>, usual_shape, counts);
}

void run_deep_frames(const Context& context, bool has_bug, float* to, const float* from) {
    launch("deep_frames", context, deep_frames, usual_shape, to, from, has_bug);
}

}  // namespace balmer::kernels::testing
