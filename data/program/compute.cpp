#include "data/program/compute.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/nearest_name.h"
#include "weights/atomic_file.h"

namespace balmer::program {

void add_device_option(CLI::App& app, ComputeArguments& arguments) {
    app.add_option("--device", arguments.device,
                   "Where to compute: auto (a GPU where there is one, else the CPU), cpu, cuda, or "
                   "simt, which runs the GPU's kernels on the CPU, slowly, for tests (example: "
                   "--device cpu)")
        ->type_name("NAME")
        ->capture_default_str();
}

void add_compute_options(CLI::App& app, ComputeArguments& arguments) {
    add_device_option(app, arguments);
    app.add_option("--precision", arguments.precision,
                   "f32, or bf16 for images and activations with weights and sums kept in f32 "
                   "(example: --precision bf16)")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--threads", arguments.threads,
                   "Threads to compute with; 0: one a core (example: --threads 4)")
        ->type_name("N")
        ->capture_default_str();
    app.add_flag("--deterministic", arguments.deterministic,
                 "The same bits in every run on a GPU too, at some cost in speed; on the CPU that "
                 "is always so");
}

ComputeDevice::ComputeDevice(const ComputeArguments& arguments) {
    if (arguments.threads < 0) throw UsageError("--threads: must not be negative");
    const std::vector<std::string> known = {"auto", "cpu", "cuda", "simt"};
    if (std::find(known.begin(), known.end(), arguments.device) == known.end()) {
        throw unknown_name("--device", arguments.device, known);
    }
    const bool has_gpu = is_built_for(DeviceType::cuda) && device_count(DeviceType::cuda) > 0;
    if (arguments.device == "cuda" || (arguments.device == "auto" && has_gpu)) {
        context_.device = {DeviceType::cuda, 0};
    } else if (arguments.device == "simt") {
        context_.device = {DeviceType::simt, 0};
    }
    if (!is_built_for(context_.device.type)) {
        throw UsageError("--device " + arguments.device +
                         ": not part of this build, which has cpu" +
                         (is_built_for(DeviceType::simt) ? " and simt" : ""));
    }
    if (context_.device.type == DeviceType::cuda) {
        stream_.emplace(context_.device);
        context_ = stream_->context();
    }
    context_.threads = arguments.threads;
    context_.deterministic = arguments.deterministic;
}

DType precision_of(const ComputeArguments& arguments) {
    if (arguments.precision == "f32") return DType::f32;
    if (arguments.precision == "bf16") return DType::bf16;
    throw unknown_name("--precision", arguments.precision, {"f32", "bf16"});
}

void expect_new_output(const std::string& path, bool overwrite) {
    namespace fs = std::filesystem;
    if (fs::is_directory(path)) throw UsageError(path + ": is a folder");
    if (fs::exists(path) && !overwrite) {
        throw UsageError(path + ": exists already; --overwrite replaces it");
    }
    const fs::path folder = fs::absolute(path).parent_path();
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) throw IoError(folder.string(), error.message());
    weights::expect_writable_folder(folder.string());
}

}  // namespace balmer::program
