#pragma once
// The policy by which buffers get memory: blocks are kept for reuse, in the order of streams.

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/core/buffer.h"
#include "kernels/core/runtime.h"

namespace balmer {

/// The allocator of one device. A block given back on a stream is at once free for that stream, and
/// for others once an event shows that the stream has passed the point. Sizes are rounded up so
/// that a later request of nearly the same size finds the block: to 64 bytes below 1 KiB (512 bytes
/// on CUDA), above it to an eighth of the power of two below. All functions may be called from any
/// thread.
class CachingAllocator {
  public:
    CachingAllocator(Runtime& runtime, Device device) : runtime_(runtime), device_(device) {}
    ~CachingAllocator() { release(); }
    CachingAllocator(const CachingAllocator&) = delete;
    CachingAllocator& operator=(const CachingAllocator&) = delete;

    /// OutOfMemoryError if neither the cache nor, after it was released, the device has a block;
    /// DeviceError without a stream on a device that has streams. Others ignore it.
    void* allocate(std::size_t bytes, void* stream);
    void give_back(void* block, std::size_t bytes, void* stream) noexcept;

    MemoryStatistics statistics() const;
    void reset_peak();
    /// Gives the cached blocks back to the device, those of captures excepted.
    void release() noexcept;
    void limit(std::size_t bytes);
    /// For a stream that ends, its work done: its blocks, those given back later too, become
    /// anybody's.
    void forget_stream(void* stream) noexcept;

    /// From here on the stream allocates only from a pool of its own, which starts with the blocks
    /// cached for the stream and collects whatever is given back on it: the captured work keeps its
    /// addresses, so nobody else may have them. A request that the pool cannot serve is a
    /// DeviceError, since memory must not be asked of the device during a capture.
    void begin_capture(void* stream);
    /// Ends the stream's capture; the pool is kept until `release_pool`.
    int end_capture(void* stream);
    /// For captured work that is gone, with nothing of it under way: its blocks become anybody's.
    void release_pool(int pool) noexcept;

  private:
    struct Cached {
        void* block = nullptr;
        void* event = nullptr;  ///< recorded after the block was last used; null: not yet
    };
    struct Pool {
        void* capturing = nullptr;  ///< the stream; null once the capture ended
        std::map<std::size_t, std::vector<void*>> free;
    };
    using Key = std::pair<std::size_t, void*>;  ///< size, stream (null: anybody's)

    std::size_t block_size(std::size_t bytes) const;
    void* ordering_stream(void* stream) const;
    void* take_cached(std::size_t size, void* stream);
    void* take_last(std::vector<Cached>& blocks);
    bool has_passed(Cached& cached, void* stream);
    void* take_from_pool(Pool& pool, std::size_t size);
    void* ask_device(std::size_t size);
    void* ask_within_limit(std::size_t size);
    Pool* pool_of_capture(void* stream);
    void offer_to_all(void* block, std::size_t size) noexcept;
    void release_unlocked() noexcept;

    Runtime& runtime_;
    Device device_;
    mutable std::mutex mutex_;
    std::map<Key, std::vector<Cached>> free_;
    std::map<int, Pool> pools_;
    std::unordered_map<void*, int> pool_of_block_;
    std::set<void*> ended_streams_;
    int next_pool_ = 0;
    std::size_t limit_ = 0;
    MemoryStatistics statistics_;
};

/// The one allocator of a device; DeviceError if there is no such device.
CachingAllocator& allocator_of(Device device);

}  // namespace balmer
