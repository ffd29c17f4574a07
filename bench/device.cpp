#include "bench/device.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "kernels/core/error.h"
#include "kernels/core/graph.h"
#include "kernels/core/transfer.h"

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

/// "580.82" from "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.82  ...".
std::string driver_version() {
    std::ifstream file("/proc/driver/nvidia/version");
    for (std::string word; file >> word;) {
        if (word.find_first_not_of("0123456789.") == std::string::npos &&
            word.find('.') != std::string::npos) {
            return word;
        }
    }
    return "unknown";
}

DeviceFacts facts_of(const Context& context) {
    DeviceFacts facts;
    if (context.device.type == DeviceType::cuda) {
        facts.name = properties_of(context.device).name;
        facts.driver = driver_version();
        facts.cuda = BALMER_CUDA_VERSION;
        facts.cache_bytes = std::size_t{128} << 20;  // no L2 so far is larger
        return facts;
    }
    facts.name = name_of(context.device) + ", " + processor_name() + ", " +
                 std::to_string(thread_count(context)) + " threads";
    if (context.device.type == DeviceType::simt) return facts;  // nobody times it
    // A server's whole cache is shared by cores that are not ours: a part of it counts.
    const long cache = std::clamp(sysconf(_SC_LEVEL3_CACHE_SIZE), 1L << 20, 64L << 20);
    facts.cache_bytes = static_cast<std::size_t>(cache);
    return facts;
}

}  // namespace

BenchDevice::BenchDevice(DeviceType type, int threads)
    : stream_(Device{type, 0}),
      context_(stream_.context(threads)),
      start_(context_.device, Event::Kind::timing),
      stop_(context_.device, Event::Kind::timing),
      facts_(facts_of(context_)) {
    context_.deterministic = false;  // as the programs, unless they are asked for it
}

double BenchDevice::seconds_of(const std::function<void()>& work) {
    if (is_host()) {
        const auto start = std::chrono::steady_clock::now();
        work();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    start_.record(context_);
    work();
    stop_.record(context_);
    stop_.synchronize();
    return 1e-3 * stop_.milliseconds_since(start_);
}

std::function<void()> BenchDevice::captured(const std::function<void()>& work,
                                            bool& is_graph) const {
    is_graph = false;
    if (is_host()) return work;
    synchronize();
    try {
        auto graph = std::make_shared<Graph>(context_, work);
        is_graph = true;
        return [graph, context = context_] { graph->replay(context); };
    } catch (const DeviceError&) {
        return work;  // it waits for the device: launched call by call
    }
}

void BenchDevice::synchronize() const {
    balmer::synchronize(context_);
}

void BenchDevice::copy_from_host(void* to, const void* from, std::size_t bytes) const {
    copy_bytes(context_, to, context_.device, from, Device{}, bytes);
}

void BenchDevice::copy_to_host(void* to, const void* from, std::size_t bytes) const {
    copy_bytes(context_, to, Device{}, from, context_.device, bytes);
    synchronize();
}

void BenchDevice::copy_within(void* to, const void* from, std::size_t bytes) const {
    copy_bytes(context_, to, context_.device, from, context_.device, bytes);
}

void BenchDevice::fill(void* to, unsigned char value, std::size_t bytes) const {
    fill_bytes(context_, to, value, bytes);
}

std::unique_ptr<BenchDevice> open_device(const std::string& name, int threads) {
    for (const DeviceType type : {DeviceType::cpu, DeviceType::cuda, DeviceType::simt}) {
        const std::string own = name_of(Device{type, 0});
        if (name != own.substr(0, own.find(':'))) continue;
        if (!is_built_for(type)) throw DeviceError("--device " + name + ": not in this build");
        return std::make_unique<BenchDevice>(type, threads);
    }
    throw UsageError("--device " + name + ": cuda, cpu or simt");
}

}  // namespace balmer::bench
