#pragma once
// AdamW over the parameters of a model; the arithmetic is kernels/adamw.

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/adamw/adamw.h"
#include "nn/module.h"

namespace balmer::train {

/// A tensor under the name it has in a model or an optimiser's state.
using NamedTensor = nn::Module::NamedParameter;

struct AdamWOptions {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.01;  ///< decoupled; see decays()
};

/// False for what is not a matrix of weights: biases, norms, the class token, position embeddings.
bool decays(const std::string& name, const Tensor& parameter);

/// The optimiser holds handles of the parameters that require a gradient, and their two moments.
class AdamW {
  public:
    AdamW(const std::vector<NamedTensor>& parameters, const AdamWOptions& options);

    /// The Euclidean norm of all gradients together; NaN or infinite if any of them is.
    double gradient_norm() const;
    /// The same into `out` [1], f32 or f64, where the gradients lie: the host does not wait. There
    /// must be gradients.
    void gradient_norm(const View& out) const;
    /// Updates every parameter that has a gradient with gradient_scale * gradient, and its cached
    /// bf16 copy in the same pass.
    void step(double learning_rate, double gradient_scale = 1.0);
    /// An update whose scalars lie on the device, `step` among them: steps() stays what it is.
    void step(const kernels::AdamWDeviceScalars& scalars);
    void clear_gradients() const;

    /// Updates made so far; what the bias correction depends on.
    std::int64_t steps() const { return steps_; }
    void set_steps(std::int64_t steps) { steps_ = steps; }

    const std::vector<NamedTensor>& parameters() const { return parameters_; }
    /// The whole state: "first_moment.NAME" and "second_moment.NAME"; sharing storage.
    std::vector<NamedTensor> moments() const;

  private:
    std::vector<Tensor> gradients() const;
    void update(kernels::AdamWArguments arguments);

    AdamWOptions options_;
    std::vector<NamedTensor> parameters_;
    std::vector<Tensor> first_moments_;
    std::vector<Tensor> second_moments_;
    std::int64_t steps_ = 0;
};

/// The factor that brings a gradient of this norm down to at most `limit`; 1 for limit <= 0.
double clip_factor(double norm, double limit);

}  // namespace balmer::train
