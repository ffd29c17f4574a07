#pragma once
// The words of device code for the host compiler: what nvcc knows by itself, and the twins of the
// PTX wrappers in kernels/core/device_cuda.cuh. Included through kernels/core/device_code.cuh.

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/core/context.h"
#include "kernels/core/dtype.h"
#include "kernels/simt/warp_operations.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define threadIdx (::balmer::simt::thread_index())
#define blockIdx (::balmer::simt::block_index())
#define blockDim (::balmer::simt::block_size())
#define gridDim (::balmer::simt::grid_size())
#define BALMER_UNROLL _Pragma("GCC unroll 64")

namespace balmer::simt_device {

using simt::Site;
inline constexpr DeviceType this_device = DeviceType::simt;
inline constexpr unsigned full_warp = 0xFFFFFFFFU;

// Synchronisation.
inline void __syncthreads(Site site = Site::current()) {
    simt::block_barrier(false, site);
}
inline int __syncthreads_count(int predicate, Site site = Site::current()) {
    return simt::block_barrier(predicate != 0, site);
}
inline int __syncthreads_or(int predicate, Site site = Site::current()) {
    return simt::block_barrier(predicate != 0, site) > 0 ? 1 : 0;
}
inline void __syncwarp(Site site = Site::current()) {
    simt::warp_barrier(site);
}
inline void __threadfence() {}

// Exchanges within a warp. `source_of(lane, argument)` is the lane whose value a lane gets.
template <class T>
struct ShuffleLane {
    T value;
    int argument;
    T result;
};

inline void expect_full(unsigned mask) {
    if (mask != full_warp) simt::fail("operations of a warp take full_warp only");
}

template <class T, class SourceOf>
T shuffle(const char* operation, unsigned mask, T value, int argument, const Site& site, SourceOf) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    expect_full(mask);
    ShuffleLane<T> own{value, argument, value};
    simt::warp_collective(operation, site, &own, [](void* const(&lanes)[simt::warp_size]) {
        for (int lane = 0; lane < simt::warp_size; ++lane) {
            auto& to = *static_cast<ShuffleLane<T>*>(lanes[lane]);
            const int from = SourceOf{}(lane, to.argument);
            if (from < 0 || from >= simt::warp_size) continue;
            to.result = static_cast<const ShuffleLane<T>*>(lanes[from])->value;
        }
    });
    return own.result;
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, Site site = Site::current()) {
    return shuffle("__shfl_sync", mask, value, source, site,
                   [](int, int argument) { return argument & 31; });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, Site site = Site::current()) {
    return shuffle("__shfl_xor_sync", mask, value, lane_mask, site,
                   [](int lane, int argument) { return lane ^ argument; });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int distance, Site site = Site::current()) {
    return shuffle("__shfl_down_sync", mask, value, distance, site,
                   [](int lane, int argument) { return lane + argument; });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int distance, Site site = Site::current()) {
    return shuffle("__shfl_up_sync", mask, value, distance, site,
                   [](int lane, int argument) { return lane - argument; });
}

struct BallotLane {
    bool predicate;
    unsigned result;
};
inline unsigned __ballot_sync(unsigned mask, int predicate, Site site = Site::current()) {
    expect_full(mask);
    BallotLane own{predicate != 0, 0};
    simt::warp_collective("__ballot_sync", site, &own, [](void* const(&lanes)[simt::warp_size]) {
        unsigned bits = 0;
        for (int lane = 0; lane < simt::warp_size; ++lane) {
            if (static_cast<const BallotLane*>(lanes[lane])->predicate) bits |= 1U << lane;
        }
        for (void* lane : lanes) static_cast<BallotLane*>(lane)->result = bits;
    });
    return own.result;
}
inline int __any_sync(unsigned mask, int predicate, Site site = Site::current()) {
    return __ballot_sync(mask, predicate, site) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate, Site site = Site::current()) {
    return __ballot_sync(mask, predicate, site) == full_warp ? 1 : 0;
}

/// Replaces a word of shared or global memory in one step; the value before. Integers only: float
/// sums would depend on the order. Not instrumented for the race check, which is told here that
/// atomic operations do not race with each other.
template <class T, class Change>
requires std::is_integral_v<T>
__attribute__((no_sanitize("thread"))) T atomic(T* word, const Change& change) {
    simt::shared_access(word, sizeof(T), simt::AccessKind::atomic);
    const T before = *word;
    *word = static_cast<T>(change(before));
    return before;
}
template <class T>
T atomicAdd(T* counter, T value) {
    return atomic(counter, [=](T before) { return before + value; });
}
template <class T>
T atomicOr(T* word, T bits) {
    return atomic(word, [=](T before) { return before | bits; });
}

/// The arrays of a block's shared memory, taken by every thread in the same order; one object a
/// kernel.
class SharedMemory {
  public:
    template <class T>
    T* array(int count) {
        return static_cast<T*>(
            simt::shared_array(number_++, static_cast<std::size_t>(count) * sizeof(T)));
    }

  private:
    int number_ = 0;
};

// Tensor cores and asynchronous copies.
inline void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                     Site site = Site::current()) {
    simt::mma_bf16_m16n8k16(d, a, {b0, b1}, site);
}
inline void ldmatrix_x4(std::uint32_t (&registers)[4], const void* row,
                        Site site = Site::current()) {
    simt::load_matrices(registers, row, false, site);
}
inline void ldmatrix_x4_transposed(std::uint32_t (&registers)[4], const void* row,
                                   Site site = Site::current()) {
    simt::load_matrices(registers, row, true, site);
}
inline void copy_async_16(void* destination, const void* source, bool is_valid) {
    simt::copy_async(destination, source, 16, is_valid);
}
inline void copy_async_commit() {
    simt::copy_async_commit();
}
template <int pending>
void copy_async_wait() {
    simt::copy_async_wait(pending);
}

// Arithmetic.
inline float exp2_approximate(float x) {
    return std::exp2(x);
}
inline float reciprocal_square_root(float x) {
    return 1.0F / std::sqrt(x);
}
inline float fused_multiply_add(float a, float b, float c) {
    return std::fma(a, b, c);
}
inline float to_float(bfloat16 value) {
    return value;
}
inline float to_float(float value) {
    return value;
}
template <class T>
T from_float(float value) {
    return T(value);
}
/// Two numbers as bf16 in one register, `low` in the lower half.
inline std::uint32_t pack_bf16(float low, float high) {
    return bfloat16(low).bits | std::uint32_t{bfloat16(high).bits} << 16;
}
inline float low_bf16(std::uint32_t pair) {
    return std::bit_cast<float>(pair << 16);
}
inline float high_bf16(std::uint32_t pair) {
    return std::bit_cast<float>(pair & 0xFFFF0000U);
}
using std::max;
using std::min;

/// So few multiprocessors that grids of blocks which go on from one piece of work to the next do.
inline LaunchLimits limits_of(const Context&) {
    return {2, simt::most_shared_bytes};
}

/// Runs `kernel` with these arguments on the grid; does nothing for an empty grid. Throws
/// DeviceError as simt::execute.
template <class... Parameters>
void launch(const char* name, const Context& context, void (*kernel)(Parameters...),
            const LaunchShape& shape, std::type_identity_t<Parameters>... arguments) {
    if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
    const simt::Schedule schedule = context.stream != nullptr
                                        ? *static_cast<const simt::Schedule*>(context.stream)
                                        : simt::Schedule::from_environment();
    simt::execute(name, shape, schedule, [&] { kernel(arguments...); });
}

}  // namespace balmer::simt_device
