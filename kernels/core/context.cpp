#include "kernels/core/context.h"

#include <omp.h>

#include <algorithm>

namespace balmer {

std::string name_of(Device device) {
    switch (device.type) {
        case DeviceType::cuda:
            return "cuda:" + std::to_string(device.index);
        case DeviceType::simt:
            return "simt";
        case DeviceType::cpu:
            break;
    }
    return "cpu";
}

bool is_built_for(DeviceType type) {
    switch (type) {
        case DeviceType::cuda:
#if defined(BALMER_HAS_CUDA)
            return true;
#else
            return false;
#endif
        case DeviceType::simt:
#if defined(BALMER_HAS_SIMT)
            return true;
#else
            return false;
#endif
        case DeviceType::cpu:
            break;
    }
    return true;
}

int thread_count(const Context& context) {
    return context.threads > 0 ? context.threads : std::max(1, omp_get_max_threads());
}

}  // namespace balmer
