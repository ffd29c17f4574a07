// The runtime of cpu and simt: host memory, and work that is done when the call returns.

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <new>

#include "kernels/core/error.h"
#include "kernels/core/runtime.h"

// Part of the address sanitizer: present only in programs built with it.
extern "C" {
__attribute__((weak)) void __asan_poison_memory_region(void const volatile* start,
                                                       std::size_t bytes);
__attribute__((weak)) void __asan_unpoison_memory_region(void const volatile* start,
                                                         std::size_t bytes);
}

namespace balmer {
namespace {

constexpr std::align_val_t alignment{64};

/// The events of the host: the time at which they were recorded.
using Clock = std::chrono::steady_clock;

class HostRuntime : public Runtime {
  public:
    int device_count() const override { return 1; }

    DeviceProperties properties(int index) const override {
        DeviceProperties properties;
        properties.total_bytes = pages(_SC_PHYS_PAGES);
        properties.free_bytes = free_memory(index);
        return properties;
    }

    void* take_memory(int, std::size_t bytes) override {
        return ::operator new(bytes, alignment, std::nothrow);
    }
    void give_memory_back(int, void* block) noexcept override {
        ::operator delete(block, alignment);
    }
    std::size_t free_memory(int) const override { return pages(_SC_AVPHYS_PAGES); }

    void mark_usable(void* block, std::size_t usable, std::size_t bytes) noexcept override {
        if (__asan_poison_memory_region == nullptr) return;
        __asan_unpoison_memory_region(block, usable);
        __asan_poison_memory_region(static_cast<char*>(block) + usable, bytes - usable);
    }

    void* take_pinned(std::size_t bytes) override { return take_memory(0, bytes); }
    void give_pinned_back(void* memory) noexcept override { give_memory_back(0, memory); }

    void* take_managed(std::size_t bytes) override { return take_memory(0, bytes); }
    void give_managed_back(void* memory) noexcept override { give_memory_back(0, memory); }

    void* create_stream(int) override { return nullptr; }
    void destroy_stream(int, void*) noexcept override {}
    void synchronize(const Context&) override {}
    void synchronize_device(int) override {}
    bool is_asynchronous() const override { return false; }

    void* create_event(int, bool) override {
        return std::make_unique<Clock::time_point>().release();
    }
    void destroy_event(int, void* event) noexcept override {
        const std::unique_ptr<Clock::time_point> owned(static_cast<Clock::time_point*>(event));
    }
    void record(const Context&, void* event) override {
        *static_cast<Clock::time_point*>(event) = Clock::now();
    }
    void wait(const Context&, void*) override {}
    void synchronize_event(int, void*) override {}
    bool is_done(int, void*) override { return true; }
    double milliseconds_between(int, void* start, void* end) override {
        const auto time =
            *static_cast<Clock::time_point*>(end) - *static_cast<Clock::time_point*>(start);
        return std::chrono::duration<double, std::milli>(time).count();
    }

    void copy(const Context&, const CopiedRows& rows) override {
        for (std::size_t row = 0; row < rows.count; ++row) {
            std::memmove(static_cast<char*>(rows.destination) + row * rows.destination_pitch,
                         static_cast<const char*>(rows.source) + row * rows.source_pitch,
                         rows.bytes);
        }
    }
    void fill(const Context&, void* destination, unsigned char value, std::size_t bytes) override {
        std::memset(destination, value, bytes);
    }

    // Work that runs at once cannot be captured: graph.cpp keeps the function itself instead.
    void begin_capture(const Context&) override {}
    void* end_capture(const Context&, std::string&) noexcept override { return nullptr; }
    void replay(const Context&, void*) override {}
    void destroy_graph(int, void*) noexcept override {}

  private:
    static std::size_t pages(int name) {
        const long count = sysconf(name);
        const long bytes = sysconf(_SC_PAGESIZE);
        return count > 0 && bytes > 0 ? static_cast<std::size_t>(count) * bytes : 0;
    }
};

}  // namespace

Runtime& host_runtime() {
    // Never destroyed: buffers in static objects may outlive it.
    static Runtime& runtime = *std::make_unique<HostRuntime>().release();
    return runtime;
}

}  // namespace balmer
