#pragma once
// Options that vit-train and vit-infer share: where and how precisely to compute.

#include <string>

#include "kernels/core/context.h"
#include "kernels/core/dtype.h"

namespace CLI {
class App;
}

namespace balmer::program {

struct ComputeArguments {
    std::string device = "auto";
    std::string precision = "f32";
    int threads = 0;
};

/// Adds --device, --precision and --threads.
void add_compute_options(CLI::App& app, ComputeArguments& arguments);

/// UsageError for a device or precision that does not exist.
Context context_of(const ComputeArguments& arguments);
DType precision_of(const ComputeArguments& arguments);

/// Proves before the work that `path` can be written: UsageError if it exists and may not be
/// replaced, IoError if its folder takes no files. The folder is made where it is missing.
void expect_new_output(const std::string& path, bool overwrite);

}  // namespace balmer::program
