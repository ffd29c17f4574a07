#pragma once
// Order statistics of one spectrum by one block of threads: exact, eight bits of the floats a
// round, with counters in shared memory, so that no order of threads matters.

#include <bit>

#include "kernels/core/device_code.cuh"

namespace balmer::render {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

/// What a selection keeps in shared memory.
struct Selection {
    static constexpr int digits = 256;  // of a round

    int* scratch;   // [32]
    int* counters;  // [digits]
    int* choice;    // [2]

    static std::size_t shared_bytes() {
        return shared_bytes_of(32 * sizeof(int)) + shared_bytes_of(digits * sizeof(int)) +
               shared_bytes_of(2 * sizeof(int));
    }
    __device__ static Selection in(SharedMemory& memory) {
        Selection selection{};
        selection.scratch = memory.array<int>(32);
        selection.counters = memory.array<int>(digits);
        selection.choice = memory.array<int>(2);
        return selection;
    }

    /// The digit of the number of this rank, and its rank among those with that digit, into
    /// `choice`; the first warp.
    __device__ __forceinline__ void choose_digit(int rank) const {
        constexpr int own_digits = digits / lanes_per_warp;
        const int lane = static_cast<int>(threadIdx.x);
        int count = 0;
        for (int i = 0; i < own_digits; ++i) count += counters[lane * own_digits + i];
        int up_to = count;
        BALMER_UNROLL
        for (int distance = 1; distance < lanes_per_warp; distance *= 2) {
            const int other = __shfl_up_sync(full_warp, up_to, distance);
            if (lane >= distance) up_to += other;
        }
        int below = up_to - count;
        if (rank < below || rank >= up_to) return;
        int digit = lane * own_digits;
        while (rank >= below + counters[digit]) below += counters[digit++];
        choice[0] = digit;
        choice[1] = rank - below;
    }
};

/// A float's bits as a number in the order of the floats, and back.
__device__ __forceinline__ std::uint32_t ordered_bits(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
}
__device__ __forceinline__ float from_ordered_bits(std::uint32_t bits) {
    return std::bit_cast<float>(bits >> 31 != 0 ? bits & 0x7FFFFFFFU : ~bits);
}

/// The q-th quantile (0..1), as quantile() of quantile.h, of the floats key(i) of those pixels of n
/// for which is_member(i); 0 if there are none. Every one of the block's `threads` gets it. Ends
/// with a barrier.
template <int threads, class IsMember, class Key>
__device__ double quantile(double q, std::int64_t n, const Selection& shared,
                           const IsMember& is_member, const Key& key) {
    const int thread = static_cast<int>(threadIdx.x);
    int own = 0;
    for (std::int64_t i = thread; i < n; i += threads) own += is_member(i) ? 1 : 0;
    const int members = block_sum(own, shared.scratch);
    if (members == 0) return 0.0;
    int rank = static_cast<int>(q * static_cast<double>(members - 1));
    std::uint32_t found = 0;
    std::uint32_t known = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int i = thread; i < Selection::digits; i += threads) shared.counters[i] = 0;
        __syncthreads();
        for (std::int64_t i = thread; i < n; i += threads) {
            if (!is_member(i)) continue;
            const std::uint32_t bits = ordered_bits(static_cast<float>(key(i)));
            if ((bits & known) == found) atomicAdd(shared.counters + (bits >> shift & 0xFFU), 1);
        }
        __syncthreads();
        if (thread < lanes_per_warp) shared.choose_digit(rank);
        __syncthreads();
        found |= static_cast<std::uint32_t>(shared.choice[0]) << shift;
        known |= 0xFFU << shift;
        rank = shared.choice[1];
        __syncthreads();
    }
    return static_cast<double>(from_ordered_bits(found));
}

}  // namespace cuda_build / simt_build
}  // namespace balmer::render
