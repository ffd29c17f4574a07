#pragma once
// Owned memory: move-only buffers over one caching allocator per device, and host memory that a GPU
// reaches.

#include <cstddef>
#include <cstdint>

#include "kernels/core/context.h"

namespace balmer {

class CachingAllocator;

/// Counters of a device's allocator, in bytes.
struct MemoryStatistics {
    std::size_t active = 0;         ///< held by live buffers
    std::size_t cached = 0;         ///< held by the allocator for reuse
    std::size_t peak = 0;           ///< highest `active` since the last reset
    std::uint64_t allocations = 0;  ///< requests that had to go to the operating system or driver
};

/// A block of device memory, aligned to 64 bytes (512 on CUDA), given back to the cache on
/// destruction. Its content is undefined after construction. On CUDA it belongs to the context's
/// stream: work on that stream may use it up to its destruction, and what is allocated there next
/// may be the same memory; work on other streams needs an event before the buffer dies. On cpu and
/// simt the address sanitizer sees accesses beyond `bytes`, and to buffers given back.
class Buffer {
  public:
    Buffer() = default;
    /// Throws OutOfMemoryError with the bytes asked for, in use and free, after the cached blocks
    /// of the device were given back in vain; DeviceError if the device is missing or a context on
    /// CUDA has no stream.
    Buffer(const Context& context, std::size_t bytes);
    ~Buffer();
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    void* data() const { return data_; }
    std::size_t bytes() const { return bytes_; }
    const Context& context() const { return context_; }

  private:
    CachingAllocator* allocator_ = nullptr;
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    Context context_;
};

/// Host memory that copies to and from GPUs can use while the host goes on (page-locked), aligned
/// to 64 bytes; plain memory where there is no GPU. Taking it is slow: make it once, reuse it.
class PinnedBuffer {
  public:
    PinnedBuffer() = default;
    explicit PinnedBuffer(std::size_t bytes);
    ~PinnedBuffer();
    PinnedBuffer(PinnedBuffer&& other) noexcept;
    PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;
    PinnedBuffer(const PinnedBuffer&) = delete;
    PinnedBuffer& operator=(const PinnedBuffer&) = delete;

    void* data() const { return data_; }
    std::size_t bytes() const { return bytes_; }

  private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

MemoryStatistics memory_statistics(Device device);
/// Sets `peak` to what is active now.
void reset_peak_memory(Device device);
/// Gives all cached blocks of the device back to the operating system or driver.
void release_cache(Device device);
/// Lets the device's buffers take no more than this, cached blocks included; 0 lifts the limit.
void limit_memory(Device device, std::size_t bytes);

}  // namespace balmer
