#include "kernels/core/runtime.h"

#include "kernels/core/error.h"

namespace balmer {

Runtime* find_runtime(DeviceType type) {
    if (!is_built_for(type)) return nullptr;
#if defined(BALMER_HAS_CUDA)
    if (type == DeviceType::cuda) return &cuda_runtime();
#endif
    return &host_runtime();
}

Runtime& runtime_of(Device device) {
    Runtime* runtime = find_runtime(device.type);
    if (runtime == nullptr) {
        throw DeviceError("this build of Balmer has no device " + name_of(device));
    }
    if (device.index < 0 || (device.index > 0 && device.index >= runtime->device_count())) {
        throw DeviceError("there is no device " + name_of(device) + ", this machine has " +
                          std::to_string(runtime->device_count()));
    }
    return *runtime;
}

Runtime& pinning_runtime() {
    static Runtime& runtime =
        device_count(DeviceType::cuda) > 0 ? *find_runtime(DeviceType::cuda) : host_runtime();
    return runtime;
}

int device_count(DeviceType type) {
    const Runtime* runtime = find_runtime(type);
    return runtime == nullptr ? 0 : runtime->device_count();
}

DeviceProperties properties_of(Device device) {
    DeviceProperties properties = runtime_of(device).properties(device.index);
    if (properties.name.empty()) properties.name = name_of(device);
    return properties;
}

}  // namespace balmer
