#include "bench/device.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>

#include "kernels/core/error.h"

namespace balmer::bench {

namespace {

std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) {
            return line.substr(colon + 2);
        }
    }
    return "unknown processor";
}

class HostDevice : public BenchDevice {
  public:
    HostDevice(DeviceType type, int threads) {
        context_.device = {type, 0};
        context_.threads = threads;
    }

    const Context& context() const override { return context_; }

    DeviceFacts facts() const override {
        // A server's whole cache is shared by cores that are not ours: a part of it counts.
        const long cache = std::min(sysconf(_SC_LEVEL3_CACHE_SIZE), 64L << 20);
        return {
            .name = processor_name() + ", " + std::to_string(thread_count(context_)) + " threads",
            .driver = "",
            .cuda = "",
            .cache_bytes = static_cast<std::size_t>(std::max(cache, 1L << 20))};
    }

    double seconds_of(const std::function<void()>& work) override {
        const auto start = std::chrono::steady_clock::now();
        work();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }

    std::function<void()> captured(const std::function<void()>& work) override { return work; }
    void synchronize() override {}

    void copy_from_host(void* to, const void* from, std::size_t bytes) override {
        std::memcpy(to, from, bytes);
    }
    void copy_to_host(void* to, const void* from, std::size_t bytes) override {
        std::memcpy(to, from, bytes);
    }
    void copy_within(void* to, const void* from, std::size_t bytes) override {
        std::memcpy(to, from, bytes);
    }
    void fill(void* to, int value, std::size_t bytes) override { std::memset(to, value, bytes); }

  private:
    Context context_;
};

}  // namespace

std::unique_ptr<BenchDevice> open_device(const std::string& name, int threads) {
    if (name == "cpu") return std::make_unique<HostDevice>(DeviceType::cpu, threads);
    if (name == "simt") {
        if (!is_built_for(DeviceType::simt)) {
            throw DeviceError("--device simt: this build has no simt device");
        }
        return std::make_unique<HostDevice>(DeviceType::simt, threads);
    }
    if (name != "cuda") throw UsageError("--device " + name + ": cuda, cpu or simt");
#ifdef BALMER_HAS_CUDA
    return open_cuda_device();
#else
    throw DeviceError("--device cuda: this build has no CUDA");
#endif
}

}  // namespace balmer::bench
