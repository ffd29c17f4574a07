#pragma once
// Every call of the CUDA runtime goes through here: errors become exceptions.

#include <cuda_runtime_api.h>

#include <string>

#include "kernels/core/context.h"
#include "kernels/core/error.h"

namespace balmer {

/// DeviceError "cuda:0: <what>: <reason>" unless `status` is success; "no GPU" where driver or
/// device are missing.
inline void check_cuda(cudaError_t status, const char* what, int index) {
    if (status == cudaSuccess) return;
    // Errors that do not outlast the call stay behind for the next caller of cudaGetLastError.
    cudaGetLastError();
    const bool has_none = status == cudaErrorInsufficientDriver || status == cudaErrorNoDevice;
    throw DeviceError(name_of({DeviceType::cuda, index}) + ": " + (has_none ? "no GPU: " : "") +
                      what + ": " + cudaGetErrorString(status));
}

/// Makes a device the one that this thread's calls are about.
inline void use_cuda_device(int index) {
    check_cuda(cudaSetDevice(index), "cudaSetDevice", index);
}

/// The stream of a context; DeviceError if it has none: nothing runs on the default stream.
inline cudaStream_t cuda_stream(const Context& context) {
    if (context.device.type != DeviceType::cuda || context.stream == nullptr) {
        throw DeviceError("work on a GPU needs a context with a stream, got one of " +
                          name_of(context.device));
    }
    return static_cast<cudaStream_t>(context.stream);
}

}  // namespace balmer
