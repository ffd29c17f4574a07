#pragma once
// In what order the simt device runs what a GPU runs at once. A correct kernel gives the same bits
// under every schedule; a missing barrier shows as a result that changes with the seed.

#include <cstdint>

namespace balmer::simt {

/// A Context of the simt device carries one in `stream`; null stands for `from_environment()`.
struct Schedule {
    enum class Order : std::uint8_t {
        threads,  ///< every thread in turn up to its next synchronisation: warps run abreast
        warps     ///< one warp as far as it gets, then another: warps run far apart
    };

    std::uint64_t seed = 0;
    Order order = Order::threads;
    /// Blocks, warps and lanes in random order and asynchronous copies early or late at random;
    /// else all in their natural order and copies as late as allowed.
    bool is_shuffled = false;
    /// Reports unsynchronised accesses to shared memory. Sees plain loads and stores only in code
    /// compiled with -fsanitize=thread and linked with race_hooks.cpp.
    bool checks_races = false;

    /// Seed 0 is the natural order; odd seeds shuffle by warps, even ones by threads.
    static Schedule of_seed(std::uint64_t seed);
    /// BALMER_SIMT_SEED (default 0); races are checked where BALMER_SIMT_RACES is 1.
    static Schedule from_environment();
};

}  // namespace balmer::simt
