#pragma once
// Kernels that hold one bug each on purpose, and their right versions, to show that the simt device
// finds such bugs. Every kernel copies numbers: to[i] = from[source(i)].

#include <cstdint>
#include <span>

#include "kernels/core/context.h"

namespace balmer::kernels::testing {

inline constexpr int planted_blocks = 5;
inline constexpr int planted_threads = 128;
inline constexpr int planted_numbers = planted_blocks * planted_threads;

/// What the kernels have been compiled for.
enum class PlantedBuild : std::uint8_t { plain, race, address };
PlantedBuild planted_build();

struct PlantedKernel {
    const char* name;
    void (*run)(const Context& context, bool has_bug, float* to, const float* from);
    int (*source)(int i);
};

std::span<const PlantedKernel> planted_kernels();
const PlantedKernel& planted_kernel(const char* name);

/// Counts with shared atomics; the bug is a thread that reads its counter without a barrier.
void run_histogram(const Context& context, bool has_bug, int* counts);

/// Deep frames with local arrays on every fibre; the bug abandons them in a divergent barrier.
void run_deep_frames(const Context& context, bool has_bug, float* to, const float* from);

}  // namespace balmer::kernels::testing
