#pragma once
// Devices of this machine, streams and events, as values.

#include <cstddef>
#include <string>

#include "kernels/core/context.h"

namespace balmer {

/// How many devices of a type this build and machine have: 1 for the cpu (and simt, where it is
/// built), 0 for CUDA without a driver or a GPU.
int device_count(DeviceType type);

struct DeviceProperties {
    std::string name;              ///< "NVIDIA H200"; "cpu", "simt"
    std::size_t total_bytes = 0;   ///< of memory
    std::size_t free_bytes = 0;    ///< of memory, now
    int multiprocessors = 0;       ///< 0 on the host
    int compute_capability = 0;    ///< 90 for 9.0; 0 on the host
    std::size_t shared_bytes = 0;  ///< most shared memory of a block; 0 on the host
};

/// DeviceError if there is no such device.
DeviceProperties properties_of(Device device);

/// A queue of work on a device, ended with the object once its work is done. On CUDA a stream of
/// its own, never the default one; on cpu and simt work runs at once and there is nothing to hold.
class Stream {
  public:
    /// DeviceError that says what is missing if there is no such device.
    explicit Stream(Device device);
    ~Stream();
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&& other) noexcept;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// A context that computes on this stream; 0 threads means one per core.
    Context context(int threads = 0) const;

  private:
    Device device_;
    void* handle_ = nullptr;
};

/// Waits until the work of the context's stream is done; DeviceError if any of it failed.
void synchronize(const Context& context);

/// A point in a stream, to wait for or to measure time from.
class Event {
  public:
    enum class Kind : std::uint8_t { ordering, timing };

    explicit Event(Device device, Kind kind = Kind::ordering);
    ~Event();
    Event(Event&& other) noexcept;
    Event& operator=(Event&& other) noexcept;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    /// The point after all work that the context's stream was given so far.
    void record(const Context& context);
    /// The context's stream goes on only after the recorded point; the host does not wait.
    void hold_back(const Context& context) const;
    /// True if the recorded point was reached.
    bool is_done() const;
    /// Waits until the recorded point is reached.
    void synchronize() const;
    /// Time from `start` to this event, both of kind timing and reached; UsageError for others.
    double milliseconds_since(const Event& start) const;

  private:
    Device device_;
    Kind kind_ = Kind::ordering;
    void* handle_ = nullptr;
};

}  // namespace balmer
