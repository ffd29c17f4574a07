// kernels/core: buffers, streams, events, copies and graphs, on every device of the machine.

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <numeric>

#include "kernels/core/buffer.h"
#include "kernels/core/graph.h"
#include "kernels/core/parallel.h"
#include "kernels/core/profile.h"
#include "kernels/core/transfer.h"
#include "kernels/gelu/gelu.h"
#include "tests/kernels/kernel_testing.h"

// The address sanitizer's, in programs built with it: impossible requests get null, not an abort.
extern "C" __attribute__((weak)) int __asan_address_is_poisoned(void const volatile* address);
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
    return "allocator_may_return_null=1";
}

namespace balmer {
namespace {

using kernels::testing::contexts;
using kernels::testing::expect_error;

TEST(Buffer, CountsActiveCachedAndPeakBytes) {
    for (const Context& context : contexts()) {
        const Device device = context.device;
        release_cache(device);
        reset_peak_memory(device);
        const auto before = memory_statistics(device);
        {
            const Buffer first(context, 1000);
            const Buffer second(context, 5000);
            EXPECT_GE(memory_statistics(device).active, before.active + 6000);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(second.data()) % 64, 0U);
        }
        const auto after = memory_statistics(device);
        EXPECT_EQ(after.active, before.active) << name_of(device);
        EXPECT_GE(after.cached, 6000U);
        EXPECT_GE(after.peak, before.active + 6000);
        const Buffer again(context, 5000);
        EXPECT_EQ(memory_statistics(device).allocations, after.allocations);
        release_cache(device);
        EXPECT_EQ(memory_statistics(device).cached, 0U);
    }
}

TEST(Buffer, DevicesCountApart) {
    const auto before = memory_statistics({});
    for (const Context& context : contexts()) {
        if (context.device.type == DeviceType::cpu) continue;
        const Buffer buffer(context, 100000);
        EXPECT_EQ(memory_statistics({}).active, before.active);
        EXPECT_GE(memory_statistics(context.device).active, 100000U);
    }
}

TEST(Buffer, OutOfMemoryCarriesTheBytesAskedForUsedAndFree) {
    for (const Context& context : contexts()) {
        const Buffer held(context, 4096);
        try {
            const Buffer buffer(context, std::size_t{1} << 60);
            FAIL();
        } catch (const OutOfMemoryError& error) {
            EXPECT_GE(error.asked_bytes, std::size_t{1} << 60);
            EXPECT_GE(error.used_bytes, 4096U);
            EXPECT_GT(error.free_bytes, 0U);
            const std::string message = error.what();
            EXPECT_TRUE(message.starts_with("out of memory on " + name_of(context.device)))
                << message;
        }
    }
}

TEST(Buffer, ALimitIsMetByGivingUpCachedBlocksThenRefused) {
    for (const Context& context : contexts()) {
        const Device device = context.device;
        release_cache(device);
        const std::size_t active = memory_statistics(device).active;
        limit_memory(device, active + (std::size_t{1} << 20));
        { const Buffer cached(context, 700000); }
        const Buffer fits(context, 600000);
        EXPECT_LT(memory_statistics(device).cached, 700000U);
        EXPECT_THROW(Buffer(context, 600000), OutOfMemoryError);
        limit_memory(device, 0);
        EXPECT_NO_THROW(Buffer(context, 600000));
    }
}

TEST(Buffer, ThreadsTakeAndGiveBackTogether) {
    for (const Context& context : contexts()) {
        const std::size_t active = memory_statistics(context.device).active;
        parallel_for(kernels::testing::with_threads(4), 400, 1, [&](std::int64_t i) {
            const Buffer outer(context, 100 + i % 7 * 1000);
            const Buffer inner(context, 100 + i % 5 * 1000);
            EXPECT_NE(outer.data(), inner.data());
        });
        EXPECT_EQ(memory_statistics(context.device).active, active);
    }
}

TEST(Buffer, OnAMissingDeviceSaysWhatIsMissing) {
    if (device_count(DeviceType::cuda) > 0) GTEST_SKIP() << "this machine has a GPU";
    Context context;
    context.device = {DeviceType::cuda, 0};
    EXPECT_THROW(Buffer(context, 64), DeviceError);
    context.device = {DeviceType::cpu, 3};
    expect_error<DeviceError>([&] { Buffer(context, 64); },
                              "there is no device cpu, this machine has 1");
}

/// Only in programs that are built with the address sanitizer.
TEST(Buffer, BytesBeyondTheRequestAndBlocksGivenBackArePoisoned) {
    if (__asan_address_is_poisoned == nullptr) GTEST_SKIP() << "built without the sanitizer";
    for (const Context& context : contexts()) {
        if (context.device.type == DeviceType::cuda) continue;
        const char* start = nullptr;
        {
            const Buffer buffer(context, 1001);
            start = static_cast<const char*>(buffer.data());
            EXPECT_FALSE(__asan_address_is_poisoned(start + 1000));
            EXPECT_TRUE(__asan_address_is_poisoned(start + 1001));
        }
        EXPECT_TRUE(__asan_address_is_poisoned(start));
        const Buffer again(context, 1010);
        EXPECT_EQ(again.data(), start);
        EXPECT_FALSE(__asan_address_is_poisoned(start + 1009));
        EXPECT_TRUE(__asan_address_is_poisoned(start + 1010));
    }
}

TEST(PinnedBuffer, HoldsWhatTheHostWrites) {
    PinnedBuffer buffer(1000);
    ASSERT_NE(buffer.data(), nullptr);
    std::memset(buffer.data(), 7, buffer.bytes());
    const PinnedBuffer moved = std::move(buffer);
    EXPECT_EQ(static_cast<const char*>(moved.data())[999], 7);
    EXPECT_THROW(PinnedBuffer(std::size_t{1} << 60), OutOfMemoryError);
}

TEST(Transfer, BytesGoThereAndBackUnchanged) {
    for (const Context& context : contexts()) {
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{100003}}) {
            std::vector<unsigned char> sent(bytes);
            std::iota(sent.begin(), sent.end(), static_cast<unsigned char>(bytes));
            const std::vector<unsigned char> original = sent;
            const Buffer there(context, bytes);
            const Buffer beside(context, bytes);
            copy_bytes(context, there.data(), context.device, sent.data(), {}, bytes);
            std::fill(sent.begin(), sent.end(), static_cast<unsigned char>(0));
            copy_bytes(context, beside.data(), context.device, there.data(), context.device, bytes);
            std::vector<unsigned char> received(bytes);
            copy_bytes(context, received.data(), {}, beside.data(), context.device, bytes);
            EXPECT_EQ(received, original) << name_of(context.device);
        }
    }
}

TEST(Transfer, PinnedMemoryIsReadyOnceTheStreamIs) {
    for (const Context& context : contexts()) {
        const PinnedBuffer sent(100000);
        const PinnedBuffer received(100000);
        const Buffer there(context, 100000);
        std::memset(sent.data(), 42, 100000);
        copy_bytes(context, there.data(), context.device, sent.data(), {}, 100000);
        copy_bytes(context, received.data(), {}, there.data(), context.device, 100000);
        synchronize(context);
        EXPECT_EQ(std::memcmp(sent.data(), received.data(), 100000), 0);
    }
}

TEST(Transfer, FillSetsEveryByteAndNoOther) {
    for (const Context& context : contexts()) {
        const Buffer buffer(context, 100);
        fill_bytes(context, buffer.data(), 1, 100);
        fill_bytes(context, static_cast<char*>(buffer.data()) + 10, 200, 80);
        std::array<unsigned char, 100> bytes{};
        copy_bytes(context, bytes.data(), {}, buffer.data(), context.device, 100);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            EXPECT_EQ(bytes[i], i >= 10 && i < 90 ? 200 : 1) << i;
        }
    }
}

TEST(Transfer, ViewsMayHavePaddedRows) {
    for (const Context& context : contexts()) {
        std::array<float, 2 * 3 * 7> host{};
        std::iota(host.begin(), host.end(), 0.0F);
        View source(host.data(), DType::f32, {2, 3, 5});
        source.strides = {21, 7, 1};
        const Buffer there(context, 30 * sizeof(float));
        const View packed(there.data(), DType::f32, {2, 3, 5}, context.device);
        copy_view(context, packed, source);
        std::array<float, 2 * 3 * 7> back{};
        View target = source;
        target.data = back.data();
        copy_view(context, target, packed);
        synchronize(context);
        for (int i = 0; i < 42; ++i) {
            EXPECT_EQ(back[i], i % 7 < 5 ? host[i] : 0.0F) << i << name_of(context.device);
        }
    }
}

TEST(Transfer, NamesWhatDoesNotFit) {
    std::array<float, 12> values{};
    const View x(values.data(), DType::f32, {3, 4});
    const View y(values.data(), DType::f32, {4, 3});
    View turned(values.data(), DType::f32, {3, 4});
    turned.strides = {1, 3};
    expect_error<ShapeError>([&] { copy_view({}, y, x); },
                             "copy: destination must be [3, 4], got [4, 3]");
    expect_error<ShapeError>([&] { copy_view({}, x, turned); },
                             "copy: f32 [3, 4] with strides [1, 3] does not lie in even rows");
    const Device gpu = {DeviceType::cuda, 0};
    expect_error<DeviceError>([&] { copy_bytes({}, values.data(), {}, values.data(), gpu, 4); },
                              "a copy from cuda:0 to cpu needs a context of the GPU, got cpu");
}

TEST(Stream, ContextsNameTheirDeviceAndThreads) {
    for (const Context& known : contexts()) {
        const Stream stream(known.device);
        const Context context = stream.context(3);
        EXPECT_EQ(context.device, known.device);
        EXPECT_EQ(context.threads, 3);
        EXPECT_EQ(context.stream != nullptr, known.device.type == DeviceType::cuda);
        EXPECT_NO_THROW(synchronize(context));
        const DeviceProperties properties = properties_of(known.device);
        EXPECT_FALSE(properties.name.empty());
        EXPECT_GT(properties.total_bytes, properties.free_bytes);
    }
}

TEST(Stream, WithoutAGpuSaysSo) {
    if (device_count(DeviceType::cuda) > 0) GTEST_SKIP() << "this machine has a GPU";
    try {
        const Stream stream({DeviceType::cuda, 0});
        FAIL();
    } catch (const DeviceError& error) {
        const std::string expected = is_built_for(DeviceType::cuda)
                                         ? "cuda:0: no GPU: "
                                         : "this build of Balmer has no device cuda:0";
        EXPECT_TRUE(std::string(error.what()).starts_with(expected)) << error.what();
    }
}

TEST(Stream, KernelsOnAGpuDemandOne) {
    if (!is_built_for(DeviceType::cuda)) GTEST_SKIP() << "built without CUDA";
    Context context;
    context.device = {DeviceType::cuda, 0};
    std::array<float, 8> values{};
    const View x(values.data(), DType::f32, {2, 4}, context.device);
    expect_error<DeviceError>(
        [&] {
            kernels::gelu(context, {x, {}, x});
        },
        "gelu: the context of cuda:0 has no stream");
}

TEST(Event, OrdersStreamsAndMeasuresTime) {
    for (const Context& context : contexts()) {
        const Device device = context.device;
        const Stream other(device);
        Event start(device, Event::Kind::timing);
        Event end(device, Event::Kind::timing);
        const Buffer buffer(context, 1 << 20);
        start.record(context);
        fill_bytes(context, buffer.data(), 9, buffer.bytes());
        end.record(context);
        end.hold_back(other.context());
        unsigned char last = 0;
        copy_bytes(other.context(), &last, {},
                   static_cast<const char*>(buffer.data()) + buffer.bytes() - 1, device, 1);
        EXPECT_EQ(last, 9);
        end.synchronize();
        EXPECT_TRUE(end.is_done());
        EXPECT_GE(end.milliseconds_since(start), 0.0);
        EXPECT_LT(end.milliseconds_since(start), 10000.0);
        EXPECT_THROW(end.milliseconds_since(Event(device)), UsageError);
    }
}

TEST(Graph, ReplaysItsWorkOnTheDataOfTheMoment) {
    for (const Context& context : contexts()) {
        const Device device = context.device;
        const ProfileRange range("Graph.Replays");
        const Buffer source(context, 1000);
        const Buffer destination(context, 1000);
        const auto work = [&] {
            const Buffer temporary(context, 1000);
            copy_bytes(context, temporary.data(), device, source.data(), device, 1000);
            copy_bytes(context, destination.data(), device, temporary.data(), device, 1000);
        };
        fill_bytes(context, source.data(), 1, 1000);
        fill_bytes(context, destination.data(), 0, 1000);
        work();
        fill_bytes(context, destination.data(), 0, 1000);
        const Graph graph(context, work);
        const auto allocations = memory_statistics(device).allocations;
        for (const unsigned char value : {3, 5}) {
            fill_bytes(context, source.data(), value, 1000);
            graph.replay(context);
            unsigned char last = 0;
            copy_bytes(context, &last, {}, static_cast<const char*>(destination.data()) + 999,
                       device, 1);
            EXPECT_EQ(last, value) << name_of(device);
        }
        EXPECT_EQ(memory_statistics(device).allocations, allocations);
    }
}

TEST(Graph, RethrowsWhatTheWorkThrows) {
    for (const Context& context : contexts()) {
        EXPECT_THROW(Graph(context, [] { throw ShapeError("no"); }).replay(context), ShapeError);
        EXPECT_NO_THROW(synchronize(context));
    }
}

}  // namespace
}  // namespace balmer
