// The GPU under measurement.

#include <cuda_runtime_api.h>

#include <fstream>

#include <fmt/format.h>

#include "bench/device.h"
#include "kernels/core/error.h"

namespace balmer::bench {

namespace {

void expect(const char* what, cudaError_t error) {
    if (error == cudaSuccess) return;
    cudaGetLastError();
    throw DeviceError(
        fmt::format("{}: {}: {}", what, cudaGetErrorName(error), cudaGetErrorString(error)));
}

std::string version_name(int number) {
    return fmt::format("{}.{}", number / 1000, number % 1000 / 10);
}

/// "580.82" from "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.82  ..."; what the driver
/// says of its CUDA version where that file is not there.
std::string driver_version() {
    std::ifstream file("/proc/driver/nvidia/version");
    std::string word;
    while (file >> word) {
        if (word.find_first_not_of("0123456789.") == std::string::npos &&
            word.find('.') != std::string::npos) {
            return word;
        }
    }
    int number = 0;
    expect("driver version", cudaDriverGetVersion(&number));
    return "for CUDA " + version_name(number);
}

class Event {
  public:
    Event() { expect("event", cudaEventCreate(&event_)); }
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    cudaEvent_t get() const { return event_; }

  private:
    cudaEvent_t event_ = nullptr;
};

struct GraphDestroyer {
    void operator()(cudaGraph_t graph) const noexcept { cudaGraphDestroy(graph); }
    void operator()(cudaGraphExec_t graph) const noexcept { cudaGraphExecDestroy(graph); }
};
using Graph = std::unique_ptr<CUgraph_st, GraphDestroyer>;
using ExecutableGraph = std::unique_ptr<CUgraphExec_st, GraphDestroyer>;

class CudaDevice : public BenchDevice {
  public:
    CudaDevice() {
        int count = 0;
        expect("looking for a GPU", cudaGetDeviceCount(&count));
        expect("choosing the GPU", cudaSetDevice(0));
        expect("stream", cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
        context_.device = {DeviceType::cuda, 0};
        context_.stream = stream_;
    }
    ~CudaDevice() override { cudaStreamDestroy(stream_); }

    const Context& context() const override { return context_; }

    DeviceFacts facts() const override {
        cudaDeviceProp properties{};
        expect("device properties", cudaGetDeviceProperties(&properties, 0));
        int runtime = 0;
        expect("runtime version", cudaRuntimeGetVersion(&runtime));
        return {.name = properties.name,
                .driver = driver_version(),
                .cuda = version_name(runtime),
                .cache_bytes = static_cast<std::size_t>(properties.l2CacheSize)};
    }

    double seconds_of(const std::function<void()>& work) override {
        expect("event", cudaEventRecord(start_.get(), stream_));
        work();
        expect("event", cudaEventRecord(stop_.get(), stream_));
        expect("timed work", cudaEventSynchronize(stop_.get()));
        float milliseconds = 0.0F;
        expect("elapsed time", cudaEventElapsedTime(&milliseconds, start_.get(), stop_.get()));
        return 1e-3 * static_cast<double>(milliseconds);
    }

    std::function<void()> captured(const std::function<void()>& work) override {
        synchronize();
        expect("capture", cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed));
        bool is_recorded = true;
        try {
            work();
        } catch (const Error&) {
            is_recorded = false;  // what cannot be captured is launched call by call
        }
        cudaGraph_t recorded = nullptr;
        const bool is_ended = cudaStreamEndCapture(stream_, &recorded) == cudaSuccess;
        const Graph graph(recorded);
        cudaGraphExec_t made = nullptr;
        if (!is_recorded || !is_ended ||
            cudaGraphInstantiate(&made, graph.get(), 0) != cudaSuccess) {
            cudaGetLastError();
            return work;
        }
        auto executable = std::make_shared<ExecutableGraph>(made);
        return [executable, stream = stream_] {
            expect("graph launch", cudaGraphLaunch(executable->get(), stream));
        };
    }

    void synchronize() override { expect("synchronize", cudaStreamSynchronize(stream_)); }

    void copy_from_host(void* to, const void* from, std::size_t bytes) override {
        copy(to, from, bytes, cudaMemcpyHostToDevice);
        synchronize();
    }
    void copy_to_host(void* to, const void* from, std::size_t bytes) override {
        copy(to, from, bytes, cudaMemcpyDeviceToHost);
        synchronize();
    }
    void copy_within(void* to, const void* from, std::size_t bytes) override {
        copy(to, from, bytes, cudaMemcpyDeviceToDevice);
    }
    void fill(void* to, int value, std::size_t bytes) override {
        expect("fill", cudaMemsetAsync(to, value, bytes, stream_));
    }

  private:
    void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
        expect("copy", cudaMemcpyAsync(to, from, bytes, kind, stream_));
    }

    Event start_;
    Event stop_;
    cudaStream_t stream_ = nullptr;
    Context context_;
};

}  // namespace

std::unique_ptr<BenchDevice> open_cuda_device() {
    return std::make_unique<CudaDevice>();
}

}  // namespace balmer::bench
