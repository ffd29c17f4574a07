// The runtime of CUDA: the driver's memory, streams, events, copies and graphs.

#include <algorithm>
#include <memory>

#include "kernels/core/cuda_call.cuh"
#include "kernels/core/runtime.h"

namespace balmer {
namespace {

cudaStream_t stream_on(const Context& context) {
    use_cuda_device(context.device.index);
    return cuda_stream(context);
}

cudaEvent_t event_of(void* event) {
    return static_cast<cudaEvent_t>(event);
}

/// True for host memory that the driver does not know, whose copies must end before the call does.
bool is_pageable(const void* memory) {
    cudaPointerAttributes attributes{};
    if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
        cudaGetLastError();
        return true;
    }
    return attributes.type == cudaMemoryTypeUnregistered;
}

class CudaRuntime : public Runtime {
  public:
    int device_count() const override {
        int count = 0;
        if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
        cudaGetLastError();
        return 0;
    }

    DeviceProperties properties(int index) const override {
        use_cuda_device(index);
        cudaDeviceProp found{};
        check_cuda(cudaGetDeviceProperties(&found, index), "cudaGetDeviceProperties", index);
        DeviceProperties result;
        result.name = found.name;
        result.total_bytes = found.totalGlobalMem;
        result.free_bytes = free_memory(index);
        result.multiprocessors = found.multiProcessorCount;
        result.compute_capability = found.major * 10 + found.minor;
        result.shared_bytes = found.sharedMemPerBlockOptin;
        return result;
    }

    void* take_memory(int index, std::size_t bytes) override {
        use_cuda_device(index);
        void* block = nullptr;
        return block_or_null(cudaMalloc(&block, bytes), "cudaMalloc", index) ? block : nullptr;
    }
    void give_memory_back(int index, void* block) noexcept override {
        // Waits by itself for the work that uses the block.
        if (cudaSetDevice(index) == cudaSuccess) cudaFree(block);
    }
    std::size_t free_memory(int index) const override {
        use_cuda_device(index);
        std::size_t free = 0;
        std::size_t total = 0;
        check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo", index);
        return free;
    }

    void* take_pinned(std::size_t bytes) override {
        void* memory = nullptr;
        const auto status =
            cudaHostAlloc(&memory, std::max<std::size_t>(bytes, 1), cudaHostAllocPortable);
        return block_or_null(status, "cudaHostAlloc", 0) ? memory : nullptr;
    }
    void give_pinned_back(void* memory) noexcept override { cudaFreeHost(memory); }

    void* take_managed(std::size_t bytes) override {
        use_cuda_device(0);
        void* memory = nullptr;
        const auto status = cudaMallocManaged(&memory, bytes, cudaMemAttachGlobal);
        return block_or_null(status, "cudaMallocManaged", 0) ? memory : nullptr;
    }
    void give_managed_back(void* memory) noexcept override { cudaFree(memory); }

    void* create_stream(int index) override {
        use_cuda_device(index);
        cudaStream_t stream = nullptr;
        // Non-blocking: not ordered with the default stream, which Balmer never uses.
        check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
                   "cudaStreamCreateWithFlags", index);
        return stream;
    }
    void destroy_stream(int index, void* stream) noexcept override {
        if (cudaSetDevice(index) == cudaSuccess) {
            cudaStreamDestroy(static_cast<cudaStream_t>(stream));
        }
    }
    void synchronize(const Context& context) override {
        check_cuda(cudaStreamSynchronize(stream_on(context)), "cudaStreamSynchronize",
                   context.device.index);
    }
    void synchronize_device(int index) override {
        use_cuda_device(index);
        check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize", index);
    }
    bool is_asynchronous() const override { return true; }

    void* create_event(int index, bool is_timed) override {
        use_cuda_device(index);
        cudaEvent_t event = nullptr;
        const unsigned flags = is_timed ? cudaEventDefault : cudaEventDisableTiming;
        check_cuda(cudaEventCreateWithFlags(&event, flags), "cudaEventCreateWithFlags", index);
        return event;
    }
    void destroy_event(int index, void* event) noexcept override {
        if (cudaSetDevice(index) == cudaSuccess) cudaEventDestroy(event_of(event));
    }
    void record(const Context& context, void* event) override {
        check_cuda(cudaEventRecord(event_of(event), stream_on(context)), "cudaEventRecord",
                   context.device.index);
    }
    void wait(const Context& context, void* event) override {
        check_cuda(cudaStreamWaitEvent(stream_on(context), event_of(event), 0),
                   "cudaStreamWaitEvent", context.device.index);
    }
    void synchronize_event(int index, void* event) override {
        use_cuda_device(index);
        check_cuda(cudaEventSynchronize(event_of(event)), "cudaEventSynchronize", index);
    }
    bool is_done(int index, void* event) override {
        use_cuda_device(index);
        const cudaError_t status = cudaEventQuery(event_of(event));
        if (status != cudaErrorNotReady) check_cuda(status, "cudaEventQuery", index);
        return status == cudaSuccess;
    }
    double milliseconds_between(int index, void* start, void* end) override {
        use_cuda_device(index);
        float milliseconds = 0.0F;
        check_cuda(cudaEventElapsedTime(&milliseconds, event_of(start), event_of(end)),
                   "cudaEventElapsedTime", index);
        return milliseconds;
    }

    void copy(const Context& context, const CopiedRows& rows) override {
        const cudaStream_t stream = stream_on(context);
        const int index = context.device.index;
        if (rows.count == 1) {
            check_cuda(cudaMemcpyAsync(rows.destination, rows.source, rows.bytes, cudaMemcpyDefault,
                                       stream),
                       "cudaMemcpyAsync", index);
        } else {
            check_cuda(cudaMemcpy2DAsync(rows.destination, rows.destination_pitch, rows.source,
                                         rows.source_pitch, rows.bytes, rows.count,
                                         cudaMemcpyDefault, stream),
                       "cudaMemcpy2DAsync", index);
        }
        const bool is_blocking =
            rows.has_host_side && (is_pageable(rows.destination) || is_pageable(rows.source));
        if (is_blocking) synchronize(context);
    }
    void fill(const Context& context, void* destination, unsigned char value,
              std::size_t bytes) override {
        check_cuda(cudaMemsetAsync(destination, value, bytes, stream_on(context)),
                   "cudaMemsetAsync", context.device.index);
    }

    void begin_capture(const Context& context) override {
        // Thread-local: other threads may go on asking the driver for memory.
        check_cuda(cudaStreamBeginCapture(stream_on(context), cudaStreamCaptureModeThreadLocal),
                   "cudaStreamBeginCapture", context.device.index);
    }
    void* end_capture(const Context& context, std::string& failure) noexcept override {
        cudaGraph_t graph = nullptr;
        cudaError_t status =
            cudaStreamEndCapture(static_cast<cudaStream_t>(context.stream), &graph);
        cudaGraphExec_t executable = nullptr;
        if (status == cudaSuccess) status = cudaGraphInstantiate(&executable, graph, 0);
        if (graph != nullptr) cudaGraphDestroy(graph);
        if (status != cudaSuccess) {
            cudaGetLastError();
            failure = cudaGetErrorString(status);
        }
        return executable;
    }
    void replay(const Context& context, void* graph) override {
        check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_on(context)),
                   "cudaGraphLaunch", context.device.index);
    }
    void destroy_graph(int index, void* graph) noexcept override {
        if (cudaSetDevice(index) == cudaSuccess) {
            cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
        }
    }

  private:
    /// False where there is no such amount of memory, or of addresses (an invalid value); other
    /// failures are exceptions.
    static bool block_or_null(cudaError_t status, const char* what, int index) {
        if (status == cudaErrorMemoryAllocation || status == cudaErrorInvalidValue) {
            cudaGetLastError();
            return false;
        }
        check_cuda(status, what, index);
        return true;
    }
};

}  // namespace

Runtime& cuda_runtime() {
    // Never destroyed: buffers in static objects may outlive it.
    static Runtime& runtime = *std::make_unique<CudaRuntime>().release();
    return runtime;
}

}  // namespace balmer
