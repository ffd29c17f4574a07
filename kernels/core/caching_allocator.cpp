#include "kernels/core/caching_allocator.h"

#include <algorithm>
#include <bit>
#include <new>

#include "kernels/core/error.h"

namespace balmer {

std::size_t CachingAllocator::block_size(std::size_t bytes) const {
    // What no machine has is not rounded: the sum could wrap around.
    if (bytes > std::size_t{1} << 62) return bytes;
    const std::size_t unit = runtime_.is_asynchronous() ? 512 : 64;
    const std::size_t step = bytes <= 1024 ? unit : std::max(unit, std::bit_floor(bytes) / 8);
    return std::max(unit, (bytes + step - 1) / step * step);
}

void* CachingAllocator::ordering_stream(void* stream) const {
    return runtime_.is_asynchronous() ? stream : nullptr;
}

void* CachingAllocator::allocate(std::size_t bytes, void* given_stream) {
    void* stream = ordering_stream(given_stream);
    if (runtime_.is_asynchronous() && stream == nullptr) {
        throw DeviceError("memory on " + name_of(device_) + " needs a context with a stream");
    }
    const std::scoped_lock lock(mutex_);
    // The driver may give a new stream the handle of one that ended.
    ended_streams_.erase(stream);
    const std::size_t size = block_size(bytes);
    void* block = nullptr;
    if (Pool* pool = pool_of_capture(stream)) {
        block = take_from_pool(*pool, size);
    } else {
        block = take_cached(size, stream);
        if (block == nullptr) block = ask_device(size);
    }
    runtime_.mark_usable(block, bytes, size);
    statistics_.active += size;
    statistics_.peak = std::max(statistics_.peak, statistics_.active);
    return block;
}

void CachingAllocator::give_back(void* block, std::size_t bytes, void* given_stream) noexcept {
    const std::scoped_lock lock(mutex_);
    void* stream = ordering_stream(given_stream);
    if (ended_streams_.contains(stream)) stream = nullptr;
    const std::size_t size = block_size(bytes);
    statistics_.active -= size;
    runtime_.mark_usable(block, 0, size);
    try {
        Pool* pool = pool_of_capture(stream);
        if (const auto found = pool_of_block_.find(block); found != pool_of_block_.end()) {
            pool = &pools_.at(found->second);
        } else if (pool != nullptr) {
            const auto same = [pool](const auto& entry) { return &entry.second == pool; };
            pool_of_block_[block] = std::find_if(pools_.begin(), pools_.end(), same)->first;
        }
        if (pool != nullptr) {
            pool->free[size].push_back(block);
        } else {
            free_[{size, stream}].push_back({block, nullptr});
        }
        statistics_.cached += size;
    } catch (const std::bad_alloc&) {
        runtime_.mark_usable(block, size, size);
        runtime_.give_memory_back(device_.index, block);
    }
}

void* CachingAllocator::take_last(std::vector<Cached>& blocks) {
    const Cached taken = blocks.back();
    blocks.pop_back();
    if (taken.event != nullptr) runtime_.destroy_event(device_.index, taken.event);
    return taken.block;
}

bool CachingAllocator::has_passed(Cached& cached, void* stream) {
    if (stream == nullptr) return true;
    if (cached.event == nullptr) {
        cached.event = runtime_.create_event(device_.index, false);
        runtime_.record({.device = device_, .stream = stream}, cached.event);
    }
    return runtime_.is_done(device_.index, cached.event);
}

void* CachingAllocator::take_cached(std::size_t size, void* stream) {
    void* block = nullptr;
    if (const auto own = free_.find({size, stream}); own != free_.end() && !own->second.empty()) {
        block = take_last(own->second);
    } else {
        for (auto other = free_.lower_bound({size, nullptr});
             block == nullptr && other != free_.end() && other->first.first == size; ++other) {
            auto& blocks = other->second;
            if (!blocks.empty() && has_passed(blocks.back(), other->first.second)) {
                block = take_last(blocks);
            }
        }
    }
    if (block != nullptr) statistics_.cached -= size;
    return block;
}

void* CachingAllocator::take_from_pool(Pool& pool, std::size_t size) {
    const auto found = pool.free.find(size);
    if (found == pool.free.end() || found->second.empty()) {
        throw DeviceError("graph capture on " + name_of(device_) + ": no block of " +
                          std::to_string(size) +
                          " bytes is left; run the same work once before it is captured");
    }
    void* block = found->second.back();
    found->second.pop_back();
    statistics_.cached -= size;
    return block;
}

void* CachingAllocator::ask_within_limit(std::size_t size) {
    const std::size_t held = statistics_.active + statistics_.cached;
    if (limit_ != 0 && (size > limit_ || held > limit_ - size)) return nullptr;
    return runtime_.take_memory(device_.index, size);
}

void* CachingAllocator::ask_device(std::size_t size) {
    ++statistics_.allocations;
    void* block = ask_within_limit(size);
    if (block == nullptr) {
        release_unlocked();
        block = ask_within_limit(size);
    }
    if (block != nullptr) return block;
    const std::size_t used = statistics_.active;
    std::size_t free = runtime_.free_memory(device_.index);
    if (limit_ != 0) free = std::min(free, limit_ - std::min(used, limit_));
    throw OutOfMemoryError("out of memory on " + name_of(device_) + ": asked for " +
                               std::to_string(size) + " bytes with " + std::to_string(used) +
                               " bytes in use and " + std::to_string(free) + " bytes free",
                           size, used, free);
}

MemoryStatistics CachingAllocator::statistics() const {
    const std::scoped_lock lock(mutex_);
    return statistics_;
}

void CachingAllocator::reset_peak() {
    const std::scoped_lock lock(mutex_);
    statistics_.peak = statistics_.active;
}

void CachingAllocator::limit(std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    limit_ = bytes;
}

void CachingAllocator::release() noexcept {
    const std::scoped_lock lock(mutex_);
    release_unlocked();
}

void CachingAllocator::release_unlocked() noexcept {
    for (auto& [key, blocks] : free_) {
        for (const Cached& cached : blocks) {
            if (cached.event != nullptr) runtime_.destroy_event(device_.index, cached.event);
            runtime_.mark_usable(cached.block, key.first, key.first);
            runtime_.give_memory_back(device_.index, cached.block);
            statistics_.cached -= key.first;
        }
    }
    free_.clear();
}

void CachingAllocator::forget_stream(void* stream) noexcept {
    const std::scoped_lock lock(mutex_);
    if (stream == nullptr) return;
    for (auto& [key, blocks] : free_) {
        if (key.second != stream) continue;
        for (const Cached& cached : blocks) {
            if (cached.event != nullptr) runtime_.destroy_event(device_.index, cached.event);
            offer_to_all(cached.block, key.first);
        }
        blocks.clear();
    }
    std::erase_if(free_, [](const auto& entry) { return entry.second.empty(); });
    ended_streams_.insert(stream);
}

void CachingAllocator::offer_to_all(void* block, std::size_t size) noexcept {
    try {
        free_[{size, nullptr}].push_back({block, nullptr});
    } catch (const std::bad_alloc&) {
        statistics_.cached -= size;
        runtime_.mark_usable(block, size, size);
        runtime_.give_memory_back(device_.index, block);
    }
}

CachingAllocator::Pool* CachingAllocator::pool_of_capture(void* stream) {
    for (auto& [number, pool] : pools_) {
        if (stream != nullptr && pool.capturing == stream) return &pool;
    }
    return nullptr;
}

void CachingAllocator::begin_capture(void* stream) {
    const std::scoped_lock lock(mutex_);
    if (pool_of_capture(stream) != nullptr) {
        throw DeviceError("graph capture on " + name_of(device_) +
                          ": the stream is being captured already");
    }
    const int number = next_pool_++;
    Pool& pool = pools_[number];
    pool.capturing = stream;
    for (auto& [key, blocks] : free_) {
        if (key.second != stream) continue;
        while (!blocks.empty()) {
            void* block = take_last(blocks);
            pool_of_block_[block] = number;
            pool.free[key.first].push_back(block);
        }
    }
}

int CachingAllocator::end_capture(void* stream) {
    const std::scoped_lock lock(mutex_);
    for (auto& [number, pool] : pools_) {
        if (pool.capturing != stream) continue;
        pool.capturing = nullptr;
        return number;
    }
    throw DeviceError("graph capture on " + name_of(device_) +
                      ": the stream is not being captured");
}

void CachingAllocator::release_pool(int pool) noexcept {
    const std::scoped_lock lock(mutex_);
    const auto found = pools_.find(pool);
    if (found == pools_.end()) return;
    for (auto& [size, blocks] : found->second.free) {
        for (void* block : blocks) offer_to_all(block, size);
    }
    pools_.erase(found);
    std::erase_if(pool_of_block_, [pool](const auto& entry) { return entry.second == pool; });
}

}  // namespace balmer
