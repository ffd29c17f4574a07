#pragma once
// Executes a device kernel on the host, thread by thread. Every thread of a block is a fibre that
// runs until it must wait for others: at a block barrier, or in an operation of its warp, which the
// last of its 32 lanes to arrive carries out for all. Blocks run one after the other, each in a
// fresh arena of shared memory filled with 0xFF (a NaN in every floating type), with guarded gaps
// between its arrays.
//
// What a GPU would leave undefined is a DeviceError that names kernel, block and thread: barriers
// that only some threads reach, operations of a warp that do not match, writes beyond a shared
// array, arrays larger than the launch asked for, misaligned asynchronous copies.
//
// Limits: blocks of whole warps; operations of a warp take the full mask; a block that waits for
// another one hangs (counters of finished blocks work); no float atomics, whose order is not fixed.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>

#include "kernels/core/launch_shape.h"
#include "kernels/simt/schedule.h"

namespace balmer::simt {

inline constexpr int warp_size = 32;
inline constexpr std::size_t most_shared_bytes = 227 * 1024;  ///< of an H100's block
inline constexpr unsigned most_threads = 1024;                ///< of any GPU's block

struct Index {
    unsigned x = 0;
    unsigned y = 0;
    unsigned z = 0;
};

/// Runs `thread` once for each thread of the grid. Throws DeviceError as above, and what `thread`
/// throws.
void execute(const char* kernel, const LaunchShape& shape, const Schedule& schedule,
             const std::function<void()>& thread);

// What follows is for code that runs inside `execute`.

Index thread_index();
Index block_index();
Extent block_size();
Extent grid_size();

using Site = std::source_location;

/// Waits for every thread of the block; returns how many passed `predicate`.
int block_barrier(bool predicate, const Site& site);

/// Waits for the 32 lanes of the warp; the last one calls `run` with the lanes' arguments, in the
/// order of lanes.
using WarpOperation = void (*)(void* const (&lanes)[warp_size]);
void warp_collective(const char* operation, const Site& site, void* lane, WarpOperation run);

/// Waits for the 32 lanes of the warp and orders their accesses to memory, which no other operation
/// of a warp does.
void warp_barrier(const Site& site);

/// The `number`-th array of the block's shared memory, aligned to 128 bytes.
void* shared_array(int number, std::size_t bytes);

/// Copies 4, 8 or 16 bytes into shared memory, or writes zeros where not `is_valid`, at some time
/// between this call and the wait for its group.
void copy_async(void* destination, const void* source, std::size_t bytes, bool is_valid);
void copy_async_commit();
/// Waits until at most `pending` of this thread's groups are unfinished.
void copy_async_wait(int pending);

/// Tells the race check of an access; for operations that it cannot see by itself. Does nothing
/// for other memory than the block's shared arrays.
enum class AccessKind : std::uint8_t { read, write, atomic };
void shared_access(const void* address, std::size_t bytes, AccessKind kind);

/// DeviceError "simt: kernel K, block (0, 0, 0), thread 5: what".
[[noreturn]] void fail(const std::string& what);

}  // namespace balmer::simt
