// What goes before and after every kernel launch on a GPU.

#include <map>
#include <string>
#include <utility>

#include "kernels/core/cuda_call.cuh"
#include "kernels/core/device_code.cuh"

namespace balmer::cuda_device {
namespace {

std::string describe(const char* name, const LaunchShape& shape) {
    const Extent& grid = shape.grid;
    return std::string(name) + ": launch of (" + std::to_string(grid.x) + ", " +
           std::to_string(grid.y) + ", " + std::to_string(grid.z) + ") blocks of " +
           std::to_string(shape.threads) + " threads with " + std::to_string(shape.shared_bytes) +
           " bytes of shared memory";
}

int attribute_of(cudaDeviceAttr attribute, const char* name, int index) {
    int value = 0;
    check_cuda(cudaDeviceGetAttribute(&value, attribute, index), name, index);
    return value;
}

/// Lets `kernel` use all the shared memory a block can have, beyond the 48 KiB that every kernel
/// may; the driver is asked once for each kernel, device and thread. Always for all of it: the
/// driver keeps one figure for all threads, which another one must not lower.
void allow_shared_bytes(const char* name, const void* kernel, const LaunchShape& shape, int index) {
    constexpr std::size_t granted_to_all = 48 * 1024;
    if (shape.shared_bytes <= granted_to_all) return;
    thread_local std::map<std::pair<int, const void*>, std::size_t> granted;
    std::size_t& bytes = granted[{index, kernel}];
    if (bytes == 0) {
        const int most = attribute_of(cudaDevAttrMaxSharedMemoryPerBlockOptin, name, index);
        check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
                   describe(name, shape).c_str(), index);
        bytes = static_cast<std::size_t>(most);
    }
    if (shape.shared_bytes > bytes) {
        throw DeviceError(describe(name, shape) + ": " + name_of({DeviceType::cuda, index}) +
                          " has " + std::to_string(bytes));
    }
}

}  // namespace

LaunchLimits limits_of(const Context& context) {
    const int index = context.device.index;
    return {attribute_of(cudaDevAttrMultiProcessorCount, "cudaDeviceGetAttribute", index),
            static_cast<std::size_t>(attribute_of(cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                                  "cudaDeviceGetAttribute", index))};
}

void before_launch(const char* name, const Context& context, const void* kernel,
                   const LaunchShape& shape) {
    if (context.stream == nullptr) {
        throw DeviceError(std::string(name) + ": the context of " + name_of(context.device) +
                          " has no stream");
    }
    constexpr unsigned most_threads = 1024;
    constexpr unsigned most_blocks_y = 65535;
    constexpr unsigned most_blocks_x = 2147483647;
    if (shape.threads == 0 || shape.threads % 32 != 0 || shape.threads > most_threads ||
        shape.grid.x > most_blocks_x || shape.grid.y > most_blocks_y ||
        shape.grid.z > most_blocks_y) {
        throw DeviceError(describe(name, shape) + " is beyond the limits of CUDA");
    }
    use_cuda_device(context.device.index);
    allow_shared_bytes(name, kernel, shape, context.device.index);
}

void after_launch(const char* name, const Context& context, const LaunchShape& shape) {
    const cudaError_t status = cudaGetLastError();
    if (status == cudaSuccess) return;
    check_cuda(status, describe(name, shape).c_str(), context.device.index);
}

}  // namespace balmer::cuda_device
