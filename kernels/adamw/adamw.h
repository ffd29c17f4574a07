#pragma once
// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), all parameters in one call:
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   p = p - lr * weight_decay * p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)

#include <span>

#include "kernels/core/view.h"

namespace balmer::kernels {

/// One parameter with its state; all contiguous and of the same number of elements. parameter,
/// moments and gradient are f32 (or all f64). `low_precision` (bf16, optional) gets the rounded new
/// value in the same pass.
struct AdamWParameter {
    View parameter;
    View gradient;
    View first_moment;
    View second_moment;
    View low_precision;  ///< optional
    double weight_decay = 0.0;
};

struct AdamWArguments {
    std::span<const AdamWParameter> parameters;
    double learning_rate = 1e-5;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    std::int64_t step = 1;        ///< t, counted from 1
    double gradient_scale = 1.0;  ///< the factor of gradient clipping
};

void adamw(const Context& context, const AdamWArguments& arguments);

}  // namespace balmer::kernels
