#pragma once
// The size of a kernel launch, for every device.

#include <cstddef>

namespace balmer {

struct Extent {
    unsigned x = 1;
    unsigned y = 1;
    unsigned z = 1;
};

/// `grid` blocks of `threads` threads (a multiple of 32), each with `shared_bytes` of shared memory
/// (the sum of `shared_bytes_of` over its arrays).
struct LaunchShape {
    Extent grid;
    unsigned threads = 32;
    std::size_t shared_bytes = 0;
};

/// What a launch has to fit.
struct LaunchLimits {
    int multiprocessors = 1;
    std::size_t shared_bytes = 0;  ///< of a block
};

/// The room that one array takes in shared memory.
constexpr std::size_t shared_bytes_of(std::size_t bytes) {
    return (bytes + 127) / 128 * 128;
}

}  // namespace balmer
