#pragma once
// A shadow of a block's shared memory: who last wrote and read each byte, and in which stretch
// between barriers. Two accesses of different threads, one of them a write, need a block barrier
// between them, or a synchronisation of their warp if they share one. Atomic operations need none
// among themselves.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/simt/executor.h"

namespace balmer::simt {

/// The thread that accesses, and how many barriers it and its warp have passed.
struct Accessor {
    int thread = 0;
    std::uint32_t block_epoch = 0;
    std::uint32_t warp_epoch = 0;
};

struct Race {
    const char* what;    ///< "read after write"
    std::size_t offset;  ///< of the byte in the arena
    int other;           ///< the thread that accessed it before, -1 for none
};

class RaceCheck {
  public:
    /// A new block with an arena of this many bytes.
    void start_block(std::size_t bytes);

    void access(const Accessor& by, std::size_t offset, std::size_t bytes, AccessKind kind);
    /// An asynchronous copy into these bytes begins, or is known to its thread to be finished.
    void copy_begins(const Accessor& by, std::size_t offset, std::size_t bytes);
    void copy_ends(const Accessor& by, std::size_t offset, std::size_t bytes);

    /// The first race of the block.
    const std::optional<Race>& first_race() const { return first_race_; }

  private:
    /// The last of several accesses of one kind, and who took part in the same stretch.
    struct Accesses {
        std::int16_t thread = -1;
        bool by_many_warps = false;  // since the last block barrier
        bool by_many_lanes = false;  // since the last synchronisation of the warp
        std::uint32_t block_epoch = 0;
        std::uint32_t warp_epoch = 0;

        bool come_before(const Accessor& by) const;
        void add(const Accessor& by);
    };
    struct Cell {
        Accesses writes;
        Accesses reads;  // since the last write
        bool is_written = false;
        bool writes_are_atomic = false;
        std::int16_t copier = -1;  // the thread whose asynchronous copy is unfinished
    };

    const char* conflict(const Cell& cell, const Accessor& by, AccessKind kind, int& other) const;

    std::vector<Cell> cells_;
    std::optional<Race> first_race_;
};

}  // namespace balmer::simt
