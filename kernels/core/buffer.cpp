#include "kernels/core/buffer.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "kernels/core/caching_allocator.h"
#include "kernels/core/error.h"

namespace balmer {

CachingAllocator& allocator_of(Device device) {
    // Never destroyed: buffers in static objects may outlive it.
    struct Allocators {
        std::mutex mutex;
        std::map<std::pair<DeviceType, int>, std::unique_ptr<CachingAllocator>> by_device;
    };
    static auto& allocators = *std::make_unique<Allocators>().release();
    const std::scoped_lock lock(allocators.mutex);
    auto& allocator = allocators.by_device[{device.type, device.index}];
    if (allocator == nullptr) {
        allocator = std::make_unique<CachingAllocator>(runtime_of(device), device);
    }
    return *allocator;
}

Buffer::Buffer(const Context& context, std::size_t bytes)
    : allocator_(&allocator_of(context.device)),
      data_(allocator_->allocate(bytes, context.stream)),
      bytes_(bytes),
      context_(context) {}

Buffer::~Buffer() {
    if (data_ != nullptr) allocator_->give_back(data_, bytes_, context_.stream);
}

Buffer::Buffer(Buffer&& other) noexcept
    : allocator_(other.allocator_),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      context_(other.context_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(context_, other.context_);
    return *this;
}

PinnedBuffer::PinnedBuffer(std::size_t bytes)
    : data_(pinning_runtime().take_pinned(bytes)), bytes_(bytes) {
    if (data_ != nullptr) return;
    const std::size_t free = host_runtime().free_memory(0);
    throw OutOfMemoryError("out of pinned host memory: asked for " + std::to_string(bytes) +
                               " bytes with " + std::to_string(free) + " bytes free",
                           bytes, 0, free);
}

PinnedBuffer::~PinnedBuffer() {
    if (data_ != nullptr) pinning_runtime().give_pinned_back(data_);
}

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
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

void limit_memory(Device device, std::size_t bytes) {
    allocator_of(device).limit(bytes);
}

}  // namespace balmer
