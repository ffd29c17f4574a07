#pragma once
// The device that is measured: its context, its clock, and copies to and from it.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "kernels/core/context.h"

namespace balmer::bench {

/// What a result names, so that it can be judged elsewhere.
struct DeviceFacts {
    std::string name;
    std::string driver;  ///< "" on the CPU
    std::string cuda;    ///< runtime version, "" on the CPU
    std::size_t cache_bytes = 0;
};

class BenchDevice {
  public:
    virtual ~BenchDevice() = default;
    BenchDevice() = default;
    BenchDevice(const BenchDevice&) = delete;
    BenchDevice& operator=(const BenchDevice&) = delete;

    virtual const Context& context() const = 0;
    virtual DeviceFacts facts() const = 0;

    /// Seconds the device needs for what `work` puts on the stream: between two events of the
    /// device, or by the steady clock on the CPU.
    virtual double seconds_of(const std::function<void()>& work) = 0;
    /// Something that does what `work` does with as little of the host as possible: a captured
    /// graph where `work` can be captured, else `work` itself.
    virtual std::function<void()> captured(const std::function<void()>& work) = 0;
    virtual void synchronize() = 0;

    virtual void copy_from_host(void* to, const void* from, std::size_t bytes) = 0;
    virtual void copy_to_host(void* to, const void* from, std::size_t bytes) = 0;
    /// Both on the device; not waited for.
    virtual void copy_within(void* to, const void* from, std::size_t bytes) = 0;
    /// Every byte = `value`; not waited for.
    virtual void fill(void* to, int value, std::size_t bytes) = 0;
};

/// "cpu", "cuda" in builds with CUDA, or "simt", which shows that kernels and benchmarks are right
/// and whose times mean nothing. Throws UsageError for another name, DeviceError where the device
/// is missing.
std::unique_ptr<BenchDevice> open_device(const std::string& name, int threads = 0);

/// device_cuda.cpp, in builds with CUDA.
std::unique_ptr<BenchDevice> open_cuda_device();

}  // namespace balmer::bench
