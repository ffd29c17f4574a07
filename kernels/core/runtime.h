#pragma once
// What a type of device offers to the rest of kernels/core: memory, streams, events, copies. One
// runtime serves cpu and simt, another CUDA, in builds that have it. Everything above kernels/core
// uses buffer.h, stream.h, transfer.h and graph.h instead.

#include <cstddef>
#include <string>

#include "kernels/core/context.h"
#include "kernels/core/stream.h"

namespace balmer {

/// `count` rows of `bytes`, whose starts are a pitch apart. `has_host_side`: one side is the memory
/// of cpu or simt.
struct CopiedRows {
    void* destination = nullptr;
    std::size_t destination_pitch = 0;
    const void* source = nullptr;
    std::size_t source_pitch = 0;
    std::size_t bytes = 0;
    std::size_t count = 1;
    bool has_host_side = true;
};

/// Streams, events and captured graphs are the device's own handles. `index` is a device's number
/// among those of its type. Everything throws DeviceError where the device refuses, unless said
/// otherwise.
class Runtime {
  public:
    virtual ~Runtime() = default;

    /// 0 without a driver or a device.
    virtual int device_count() const = 0;
    virtual DeviceProperties properties(int index) const = 0;

    /// Null if there is no such amount of memory.
    virtual void* take_memory(int index, std::size_t bytes) = 0;
    virtual void give_memory_back(int index, void* block) noexcept = 0;
    virtual std::size_t free_memory(int index) const = 0;
    /// Tells checkers of memory that only the first `usable` of a block's `bytes` may be touched.
    virtual void mark_usable(void*, std::size_t /*usable*/, std::size_t /*bytes*/) noexcept {}

    /// Host memory that the devices reach; null if there is none.
    virtual void* take_pinned(std::size_t bytes) = 0;
    virtual void give_pinned_back(void* memory) noexcept = 0;
    /// Memory that moves between host and devices as they touch it; null if there is none.
    virtual void* take_managed(std::size_t bytes) = 0;
    virtual void give_managed_back(void* memory) noexcept = 0;

    virtual void* create_stream(int index) = 0;
    virtual void destroy_stream(int index, void* stream) noexcept = 0;
    virtual void synchronize(const Context& context) = 0;
    /// Waits for all streams of the device.
    virtual void synchronize_device(int index) = 0;
    /// Whether work on streams runs after the call that asked for it, so that memory has an order.
    virtual bool is_asynchronous() const = 0;

    virtual void* create_event(int index, bool is_timed) = 0;
    virtual void destroy_event(int index, void* event) noexcept = 0;
    virtual void record(const Context& context, void* event) = 0;
    virtual void wait(const Context& context, void* event) = 0;
    virtual void synchronize_event(int index, void* event) = 0;
    virtual bool is_done(int index, void* event) = 0;
    virtual double milliseconds_between(int index, void* start, void* end) = 0;

    virtual void copy(const Context& context, const CopiedRows& rows) = 0;
    virtual void fill(const Context& context, void* destination, unsigned char value,
                      std::size_t bytes) = 0;

    virtual void begin_capture(const Context& context) = 0;
    /// The captured work, or null with the reason.
    virtual void* end_capture(const Context& context, std::string& failure) noexcept = 0;
    virtual void replay(const Context& context, void* graph) = 0;
    virtual void destroy_graph(int index, void* graph) noexcept = 0;
};

/// The runtime of a device; DeviceError if this build has none or the machine has no such device.
Runtime& runtime_of(Device device);
/// The same without looking for the device; null if this build has none.
Runtime* find_runtime(DeviceType type);
/// The runtime whose devices reach pinned host memory: CUDA's where there is a GPU, else the
/// host's.
Runtime& pinning_runtime();

Runtime& host_runtime();
#if defined(BALMER_HAS_CUDA)
Runtime& cuda_runtime();
#endif

}  // namespace balmer
