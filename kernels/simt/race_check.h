#pragma once
// A shadow of a block's shared memory: who last wrote and read each byte, and in which stretch
// between barriers. Two accesses of different threads, one of them a write, need a block barrier
// between them, or a synchronisation of their warp if they share one.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace balmer::simt {

/// The thread that accesses, and how many barriers it and its warp have passed.
struct Accessor {
    int thread = 0;
    std::uint32_t block_epoch = 0;
    std::uint32_t warp_epoch = 0;
};

class RaceCheck {
  public:
    /// A new block with an arena of this many bytes.
    void start_block(std::size_t bytes);

    void access(const Accessor& by, std::size_t offset, std::size_t bytes, bool is_write);
    /// An asynchronous copy into these bytes begins, or is known to its thread to be finished.
    void copy_begins(const Accessor& by, std::size_t offset, std::size_t bytes);
    void copy_ends(const Accessor& by, std::size_t offset, std::size_t bytes);

    /// The first race of the block: "read after write of shared byte 64, with thread 3, by thread
    /// 9", or "".
    const std::string& first_race() const { return first_race_; }

  private:
    struct Access {
        std::int16_t thread = -1;
        std::uint32_t block_epoch = 0;
        std::uint32_t warp_epoch = 0;
    };
    struct Cell {
        Access write;
        Access read;
        bool is_read_by_many_warps = false;  ///< since the last block barrier
        bool is_read_by_many_lanes = false;  ///< since the last synchronisation of the warp
        bool is_written = false;
        std::int16_t copier = -1;  ///< the thread whose asynchronous copy is unfinished
    };

    static bool is_ordered(const Accessor& by, const Access& earlier);
    void report(const char* what, std::size_t offset, int other, const Accessor& by);

    std::vector<Cell> cells_;
    std::string first_race_;
};

}  // namespace balmer::simt
