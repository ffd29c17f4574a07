#pragma once
// The device that is measured: its stream, its clock, and copies to and from it.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "kernels/core/stream.h"

namespace balmer::bench {

/// What a result names, so that it can be judged elsewhere.
struct DeviceFacts {
    std::string name;
    std::string driver;  ///< "" on the host
    std::string cuda;    ///< the toolkit's version, "" on the host
    std::size_t cache_bytes = 0;
};

class BenchDevice {
  public:
    /// DeviceError where the device is missing.
    BenchDevice(DeviceType type, int threads);

    const Context& context() const { return context_; }
    const DeviceFacts& facts() const { return facts_; }

    /// Seconds the device needs for what `work` puts on the stream: between two events of the
    /// device, or by the steady clock on the host.
    double seconds_of(const std::function<void()>& work);
    /// Something that does what `work` does with as little of the host as possible: a captured
    /// graph where `work` can be captured (`is_graph` says so), else `work` itself.
    std::function<void()> captured(const std::function<void()>& work, bool& is_graph) const;
    void synchronize() const;

    void copy_from_host(void* to, const void* from, std::size_t bytes) const;
    void copy_to_host(void* to, const void* from, std::size_t bytes) const;
    /// Both on the device; not waited for.
    void copy_within(void* to, const void* from, std::size_t bytes) const;
    /// Every byte = `value`; not waited for.
    void fill(void* to, unsigned char value, std::size_t bytes) const;

  private:
    bool is_host() const { return context_.device.type != DeviceType::cuda; }

    Stream stream_;
    Context context_;
    Event start_;
    Event stop_;
    DeviceFacts facts_;
};

/// "cpu", "cuda" in builds with CUDA, or "simt", which shows that kernels and benchmarks are right
/// and whose times mean nothing. Throws UsageError for another name, DeviceError where the device
/// is missing.
std::unique_ptr<BenchDevice> open_device(const std::string& name, int threads = 0);

}  // namespace balmer::bench
