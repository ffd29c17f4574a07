#pragma once
// Owned memory: move-only buffers over one caching allocator per device.

#include <cstddef>
#include <cstdint>

#include "kernels/core/context.h"

namespace balmer {

/// Counters of a device's allocator, in bytes.
struct MemoryStatistics {
    std::size_t active = 0;         ///< held by live buffers
    std::size_t cached = 0;         ///< held by the allocator for reuse
    std::size_t peak = 0;           ///< highest `active` since the last reset
    std::uint64_t allocations = 0;  ///< requests that had to go to the operating system or driver
};

/// A block of device memory, aligned to 64 bytes, given back to the cache on destruction.
/// Its content is undefined after construction.
class Buffer {
  public:
    Buffer() = default;
    /// Throws OutOfMemoryError with the bytes asked for and in use.
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
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    Context context_;
};

MemoryStatistics memory_statistics(Device device);
/// Sets `peak` to what is active now.
void reset_peak_memory(Device device);
/// Gives all cached blocks of the device back to the operating system or driver.
void release_cache(Device device);

}  // namespace balmer
