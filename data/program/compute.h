#pragma once
// Options that the programs share: where and how precisely to compute.

#include <optional>
#include <string>

#include "kernels/core/context.h"
#include "kernels/core/dtype.h"
#include "kernels/core/stream.h"

namespace CLI {
class App;
}

namespace balmer::program {

struct ComputeArguments {
    std::string device = "auto";
    std::string precision = "f32";
    int threads = 0;
    bool deterministic = false;
};

/// Adds --device.
void add_device_option(CLI::App& app, ComputeArguments& arguments);
/// Adds --device, --precision, --threads and --deterministic.
void add_compute_options(CLI::App& app, ComputeArguments& arguments);

/// The device the user chose, with a stream of its own where it has streams. Outlives everything
/// that is computed on it.
class ComputeDevice {
  public:
    /// UsageError for a device that does not exist or is not part of this build, DeviceError if it
    /// cannot be used.
    explicit ComputeDevice(const ComputeArguments& arguments);

    const Context& context() const { return context_; }

  private:
    std::optional<Stream> stream_;
    Context context_;
};

/// UsageError for a precision that does not exist.
DType precision_of(const ComputeArguments& arguments);

/// Proves before the work that `path` can be written: UsageError if it exists and may not be
/// replaced, IoError if its folder takes no files. The folder is made where it is missing.
void expect_new_output(const std::string& path, bool overwrite);

}  // namespace balmer::program
