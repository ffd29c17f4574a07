#pragma once
// Where work runs, as a value: kernels get a Context and use nothing global.

#include <cstdint>
#include <string>

namespace balmer {

enum class DeviceType : std::uint8_t { cpu, cuda, simt };

struct Device {
    DeviceType type = DeviceType::cpu;
    int index = 0;
    bool operator==(const Device&) const = default;
};

/// "cpu", "cuda:0", "simt".
std::string name_of(Device device);

/// True where this build has kernels for the device.
bool is_built_for(DeviceType type);

/// Device, stream and thread count of a computation. `stream` is the device's own stream handle
/// (null on the CPU; on simt a `const simt::Schedule*` or null); `threads` = 0 means one per core
/// the process may use.
struct Context {
    Device device;
    void* stream = nullptr;
    int threads = 0;
    bool deterministic = true;
};

/// The number of CPU threads a context asks for, at least 1.
int thread_count(const Context& context);

}  // namespace balmer
