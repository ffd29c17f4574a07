#include "train/program_context.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "kernels/core/error.h"
#include "kernels/core/nearest_name.h"
#include "weights/atomic_file.h"

namespace balmer::program {

void add_compute_options(CLI::App& app, ComputeArguments& arguments) {
    app.add_option("--device", arguments.device,
                   "Where to compute: auto (the best there is) or cpu (example: --device cpu)")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--precision", arguments.precision,
                   "f32, or bf16 for images and activations with weights and sums kept in f32 "
                   "(example: --precision bf16)")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--threads", arguments.threads,
                   "Threads to compute with; 0: one a core (example: --threads 4)")
        ->type_name("N")
        ->capture_default_str();
}

Context context_of(const ComputeArguments& arguments) {
    if (arguments.device != "auto" && arguments.device != "cpu") {
        throw unknown_name("--device", arguments.device, {"auto", "cpu"});
    }
    if (arguments.threads < 0) throw UsageError("--threads: must not be negative");
    Context context;
    context.threads = arguments.threads;
    return context;
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
