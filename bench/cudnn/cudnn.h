#pragma once
// cuDNN 9 as the peer of Balmer's kernels: the graphs a transformer needs, built by the backend C
// API. The library is loaded when it is first asked for, from the machine it runs on; Balmer itself
// never uses it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/context.h"

namespace balmer::bench::cudnn {

/// The tensors of all graphs, by the name they have in the rooms of kernels/.
enum class Id : std::int64_t {
    query = 1,
    key,
    value,
    out,
    log_sum_exp,
    scale,  ///< one f32 on the host
    out_gradient,
    query_gradient,
    key_gradient,
    value_gradient,
    x,
    y,
    mean,
    reciprocal_deviation,
    weight,
    bias,
    epsilon,  ///< one f32 on the host
    dy,
    dx,
    weight_gradient,
    bias_gradient
};

/// Memory of one tensor of a graph: on the device, or on the host where Id says so.
struct Binding {
    Id id;
    void* data;
};

/// A compiled graph.
class Plan {
  public:
    virtual ~Plan() = default;
    Plan() = default;
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    virtual std::size_t workspace_bytes() const = 0;
    /// Puts the graph on the context's stream. Throws DeviceError.
    virtual void run(std::span<const Binding> bindings, void* workspace) const = 0;
};

/// What cuDNN makes of a graph.
struct Candidates {
    std::vector<std::unique_ptr<Plan>> plans;  ///< ready to run, the heuristic's choice first
    /// Engines that compiled their code and then had no driver to load it into: what a machine
    /// without a GPU can show.
    int compiled_only = 0;
    std::vector<std::string> refusals;  ///< one line an engine that does not take the graph
};

/// bf16, packed projections: query, key, value and their gradients are thirds of [B, T, 3, H, D],
/// out [B, T, H, D], log_sum_exp f32 [B, H, T].
struct AttentionShape {
    std::int64_t batch = 1;
    std::int64_t tokens = 1;
    std::int64_t heads = 1;
    std::int64_t depth = 64;
};

/// bf16 [rows, columns]; weights, biases and statistics f32.
struct RowShape {
    std::int64_t rows = 1;
    std::int64_t columns = 1;
};

/// A convolution whose stride is its window: x bf16 [B, H, W, channels] (channels last, the layout
/// its tensor-core kernels take), weight bf16 [width, p, p, channels]. y bf16 is rows 1 to N of
/// [B, 1 + N, width], where a class token has row 0.
struct PatchShape {
    std::int64_t batch = 1;
    std::int64_t channels = 3;
    std::int64_t image_size = 224;
    std::int64_t patch_size = 16;
    std::int64_t width = 768;
};

/// The loaded library, for one device.
class Cudnn {
  public:
    virtual ~Cudnn() = default;
    Cudnn() = default;
    Cudnn(const Cudnn&) = delete;
    Cudnn& operator=(const Cudnn&) = delete;

    /// For the context's GPU and stream. Throws DeviceError, saying what was looked for, where the
    /// library or the GPU is missing. The environment variable BALMER_CUDNN names the library file
    /// or its folder where the loader does not find it.
    static std::unique_ptr<Cudnn> on_device(const Context& context);
    /// For a GPU that is described (cuDNN's JSON of device properties) and not there: graphs are
    /// built, checked and compiled, not run. Needs some libcuda.so.1, the toolkit's stub will do.
    static std::unique_ptr<Cudnn> for_described_device(const std::string& properties_json);

    /// "9.19.0".
    virtual std::string version() const = 0;

    virtual Candidates attention_forward(const AttentionShape& shape) const = 0;
    virtual Candidates layer_norm_forward(const RowShape& shape) const = 0;
    virtual Candidates layer_norm_backward(const RowShape& shape) const = 0;
    virtual Candidates gelu_forward(const RowShape& shape) const = 0;
    virtual Candidates gelu_backward(const RowShape& shape) const = 0;
    virtual Candidates patch_convolution(const PatchShape& shape) const = 0;

    /// By the header-only cudnn-frontend. Throws DeviceError in builds that did not find it.
    virtual Candidates attention_backward(const AttentionShape& shape) const = 0;
    /// Whether this build has attention_backward.
    static bool has_attention_backward();
};

}  // namespace balmer::bench::cudnn
