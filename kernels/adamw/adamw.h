#pragma once
// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), all parameters in one call:
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   p = p - lr * weight_decay * p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)

#include <span>

#include "kernels/core/view.h"

namespace balmer::kernels {

/// One parameter with its state; all contiguous and of the same number of elements. parameter,
/// moments and gradient are f32 (or all f64, on the CPU). `low_precision` (bf16, optional) gets the
/// rounded new value in the same pass.
struct AdamWParameter {
    View parameter;
    View gradient;
    View first_moment;
    View second_moment;
    View low_precision;  ///< optional
    double weight_decay = 0.0;
};

/// Scalars of an update that lie on the context's device, all optional: steps that the host does
/// not wait for, and CUDA graphs replayed with other values.
struct AdamWDeviceScalars {
    View learning_rate;   ///< f64 [1], in place of AdamWArguments::learning_rate
    View step;            ///< i64 [1], in place of AdamWArguments::step
    View gradient_scale;  ///< f64 [1], multiplies AdamWArguments::gradient_scale
    View is_skipped;      ///< i32 [1]; where it is not 0, nothing changes
};

struct AdamWArguments {
    std::span<const AdamWParameter> parameters;
    double learning_rate = 1e-5;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    std::int64_t step = 1;        ///< t, counted from 1
    double gradient_scale = 1.0;  ///< the factor of gradient clipping
    AdamWDeviceScalars on_device = {};
};

void adamw(const Context& context, const AdamWArguments& arguments);

/// Forms the scalars of the next update from the norm of its gradients, on the device that holds
/// them: gradient_scale = min(1, limit / (norm + 1e-6)), 1 where limit <= 0; is_skipped = 1 where
/// the norm is NaN or infinite, else 0; `step` is counted up unless the update is skipped.
struct AdamWPreparation {
    View norm;  ///< f64 [1]
    double limit = 0.0;
    View gradient_scale;  ///< f64 [1]
    View is_skipped;      ///< i32 [1]
    View step;            ///< i64 [1], optional; updates made so far
};

void prepare_adamw(const Context& context, const AdamWPreparation& arguments);

}  // namespace balmer::kernels
