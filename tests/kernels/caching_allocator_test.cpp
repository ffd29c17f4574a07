// The caching allocator's policy for devices with streams, over a runtime whose streams stand still
// until the test lets them pass.

#include "kernels/core/caching_allocator.h"

#include <gtest/gtest.h>

#include <set>

#include "kernels/core/error.h"
#include "kernels/core/runtime.h"

namespace balmer {
namespace {

/// A device with `capacity` bytes; an event is done once its stream is in `passed`.
class FakeRuntime : public Runtime {
  public:
    std::size_t capacity = 1 << 20;
    std::set<void*> passed;
    int live_events = 0;
    int live_blocks = 0;

    int device_count() const override { return 1; }
    DeviceProperties properties(int) const override { return {}; }
    void* take_memory(int, std::size_t bytes) override {
        if (bytes > capacity) return nullptr;
        capacity -= bytes;
        ++live_blocks;
        void* block = ::operator new(bytes + sizeof(std::size_t));
        sizes_[block] = bytes;
        return block;
    }
    void give_memory_back(int, void* block) noexcept override {
        capacity += sizes_.at(block);
        sizes_.erase(block);
        --live_blocks;
        ::operator delete(block);
    }
    std::size_t free_memory(int) const override { return capacity; }
    void* take_pinned(std::size_t) override { return nullptr; }
    void give_pinned_back(void*) noexcept override {}
    void* take_managed(std::size_t) override { return nullptr; }
    void give_managed_back(void*) noexcept override {}
    void* create_stream(int) override { return nullptr; }
    void destroy_stream(int, void*) noexcept override {}
    void synchronize(const Context&) override {}
    void synchronize_device(int) override {}
    bool is_asynchronous() const override { return true; }
    void* create_event(int, bool) override {
        ++live_events;
        return std::make_unique<void*>(nullptr).release();
    }
    void destroy_event(int, void* event) noexcept override {
        --live_events;
        const std::unique_ptr<void*> owned(static_cast<void**>(event));
    }
    void record(const Context& context, void* event) override {
        *static_cast<void**>(event) = context.stream;
    }
    void wait(const Context&, void*) override {}
    void synchronize_event(int, void*) override {}
    bool is_done(int, void* event) override { return passed.contains(*static_cast<void**>(event)); }
    double milliseconds_between(int, void*, void*) override { return 0.0; }
    void copy(const Context&, const CopiedRows&) override {}
    void fill(const Context&, void*, unsigned char, std::size_t) override {}
    void begin_capture(const Context&) override {}
    void* end_capture(const Context&, std::string&) noexcept override { return nullptr; }
    void replay(const Context&, void*) override {}
    void destroy_graph(int, void*) noexcept override {}

  private:
    std::map<void*, std::size_t> sizes_;
};

class StreamOrder : public ::testing::Test {
  protected:
    ~StreamOrder() override {
        allocator.release();
        EXPECT_EQ(runtime.live_events, 0);
        EXPECT_EQ(runtime.live_blocks, 0);
    }
    /// Takes a block on a stream and gives it back at once.
    void* touch(std::size_t bytes, void* stream) {
        void* block = allocator.allocate(bytes, stream);
        allocator.give_back(block, bytes, stream);
        return block;
    }

    int handles[2] = {};
    void* const first = &handles[0];
    void* const second = &handles[1];
    FakeRuntime runtime;
    CachingAllocator allocator{runtime, {DeviceType::cuda, 0}};
};

TEST_F(StreamOrder, AStreamReusesItsBlocksAtOnce) {
    void* block = touch(1000, first);
    EXPECT_EQ(touch(1000, first), block);
    EXPECT_EQ(touch(900, first), block);
    EXPECT_EQ(allocator.statistics().allocations, 1U);
    EXPECT_THROW(allocator.allocate(1000, nullptr), DeviceError);
}

TEST_F(StreamOrder, AnotherStreamReusesABlockOnlyOnceItsStreamHasPassed) {
    void* block = touch(1000, first);
    void* other = touch(1000, second);
    EXPECT_NE(other, block);
    runtime.passed.insert(first);
    void* own = allocator.allocate(1000, second);
    EXPECT_EQ(own, other);
    void* taken = allocator.allocate(1000, second);
    EXPECT_EQ(taken, block);
    EXPECT_EQ(allocator.statistics().allocations, 2U);
    allocator.give_back(own, 1000, second);
    allocator.give_back(taken, 1000, second);
}

TEST_F(StreamOrder, BlocksOfAnEndedStreamAreAnybodys) {
    void* held = allocator.allocate(5000, first);
    void* block = touch(1000, first);
    allocator.forget_stream(first);
    allocator.give_back(held, 5000, first);
    EXPECT_EQ(touch(1000, second), block);
    EXPECT_EQ(touch(5000, second), held);
}

TEST_F(StreamOrder, AFullDeviceGivesUpItsCacheBeforeItRefuses) {
    runtime.capacity = 10000;
    touch(6000, first);
    void* block = allocator.allocate(8000, second);
    EXPECT_EQ(runtime.live_blocks, 1);
    try {
        allocator.allocate(3000, first);
        FAIL();
    } catch (const OutOfMemoryError& error) {
        EXPECT_EQ(error.asked_bytes, 3072U);
        EXPECT_EQ(error.used_bytes, 8192U);
        EXPECT_EQ(error.free_bytes, 10000U - 8192U);
        EXPECT_STREQ(error.what(),
                     "out of memory on cuda:0: asked for 3072 bytes with 8192 bytes in use and "
                     "1808 bytes free");
    }
    allocator.give_back(block, 8000, second);
}

TEST_F(StreamOrder, ACaptureKeepsItsBlocksToItself) {
    void* block = touch(1000, first);
    void* outside = allocator.allocate(2000, first);
    allocator.begin_capture(first);
    EXPECT_EQ(touch(1000, first), block);
    EXPECT_THROW(allocator.allocate(9000, first), DeviceError);
    void* result = allocator.allocate(1000, first);
    EXPECT_EQ(result, block);
    // Captured work may have used what is given back during the capture.
    allocator.give_back(outside, 2000, first);
    const int pool = allocator.end_capture(first);
    allocator.give_back(result, 1000, first);
    EXPECT_NE(touch(1000, first), block);
    EXPECT_NE(touch(2000, first), outside);
    allocator.release();
    EXPECT_EQ(runtime.live_blocks, 2);
    EXPECT_EQ(allocator.statistics().cached, 1024U + 2048U);
    allocator.release_pool(pool);
    EXPECT_EQ(touch(1000, second), block);
    EXPECT_EQ(touch(2000, first), outside);
}

TEST_F(StreamOrder, ABlockThatOutlivesItsCaptureBecomesOrdinary) {
    touch(1000, first);
    allocator.begin_capture(first);
    void* result = allocator.allocate(1000, first);
    EXPECT_THROW(allocator.begin_capture(first), DeviceError);
    allocator.release_pool(allocator.end_capture(first));
    EXPECT_THROW(allocator.end_capture(first), DeviceError);
    allocator.give_back(result, 1000, first);
    EXPECT_EQ(touch(1000, first), result);
}

}  // namespace
}  // namespace balmer
