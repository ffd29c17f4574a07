#include "kernels/core/buffer.h"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "kernels/core/error.h"

namespace balmer {
namespace {

constexpr std::size_t alignment = 64;

/// Blocks are rounded up so that a later request of nearly the same size finds them: to 64 bytes
/// below 1 KiB, above it to an eighth of the power of two below.
std::size_t block_size(std::size_t bytes) {
    if (bytes <= 1024) return std::max<std::size_t>(alignment, (bytes + 63) / 64 * 64);
    const std::size_t step = std::bit_floor(bytes) / 8;
    return (bytes + step - 1) / step * step;
}

class HostAllocator {
  public:
    ~HostAllocator() { release(); }

    void* allocate(std::size_t bytes) {
        const std::scoped_lock lock(mutex_);
        const std::size_t size = block_size(bytes);
        void* block = take_cached(size);
        if (block == nullptr) block = ask_system(size);
        statistics_.active += size;
        statistics_.peak = std::max(statistics_.peak, statistics_.active);
        return block;
    }

    void give_back(void* block, std::size_t bytes) noexcept {
        const std::scoped_lock lock(mutex_);
        const std::size_t size = block_size(bytes);
        statistics_.active -= size;
        try {
            free_[size].push_back(block);
            statistics_.cached += size;
        } catch (const std::bad_alloc&) {
            ::operator delete(block, std::align_val_t(alignment));
        }
    }

    MemoryStatistics statistics() const {
        const std::scoped_lock lock(mutex_);
        return statistics_;
    }

    void reset_peak() {
        const std::scoped_lock lock(mutex_);
        statistics_.peak = statistics_.active;
    }

    void release() {
        const std::scoped_lock lock(mutex_);
        release_unlocked();
    }

  private:
    void* take_cached(std::size_t size) {
        const auto found = free_.find(size);
        if (found == free_.end() || found->second.empty()) return nullptr;
        void* block = found->second.back();
        found->second.pop_back();
        statistics_.cached -= size;
        return block;
    }

    void* ask_system(std::size_t size) {
        ++statistics_.allocations;
        void* block = ::operator new(size, std::align_val_t(alignment), std::nothrow);
        if (block == nullptr) {
            release_unlocked();
            block = ::operator new(size, std::align_val_t(alignment), std::nothrow);
        }
        if (block == nullptr) {
            throw OutOfMemoryError("out of memory on cpu: asked for " + std::to_string(size) +
                                       " bytes with " + std::to_string(statistics_.active) +
                                       " bytes in use",
                                   size, statistics_.active);
        }
        return block;
    }

    void release_unlocked() {
        for (auto& [size, blocks] : free_) {
            for (void* block : blocks) ::operator delete(block, std::align_val_t(alignment));
        }
        free_.clear();
        statistics_.cached = 0;
    }

    mutable std::mutex mutex_;
    std::map<std::size_t, std::vector<void*>> free_;
    MemoryStatistics statistics_;
};

/// The one allocator of the CPU, and of simt, whose memory is the host's. Never destroyed: buffers
/// in static objects may outlive it.
HostAllocator& host_allocator() {
    static auto& allocator = *std::make_unique<HostAllocator>().release();
    return allocator;
}

HostAllocator& allocator_of(Device device) {
    if (device.type == DeviceType::cpu) return host_allocator();
    if (device.type == DeviceType::simt && is_built_for(device.type)) return host_allocator();
    throw DeviceError("this build of Balmer has no memory on device " + name_of(device));
}

}  // namespace

Buffer::Buffer(const Context& context, std::size_t bytes)
    : data_(allocator_of(context.device).allocate(bytes)), bytes_(bytes), context_(context) {}

Buffer::~Buffer() {
    if (data_ != nullptr) allocator_of(context_.device).give_back(data_, bytes_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      context_(other.context_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(context_, other.context_);
    return *this;
}

MemoryStatistics memory_statistics(Device device) {
    return allocator_of(device).statistics();
}

void reset_peak_memory(Device device) {
    allocator_of(device).reset_peak();
}

void release_cache(Device device) {
    allocator_of(device).release();
}

}  // namespace balmer
