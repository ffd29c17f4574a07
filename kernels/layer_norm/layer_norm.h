#pragma once
// Layer normalisation (Ba et al. 2016, arXiv:1607.06450) over the last dimension:
//   y = (x - mean) / sqrt(variance + epsilon) * weight + bias
// Mean and (biased) variance in two passes, in f32 (f64 for f64).

#include "kernels/core/view.h"

namespace balmer::kernels {

/// x, y [R, C] of one floating dtype, rows may be strided, columns contiguous; weight, bias [C];
/// mean, reciprocal_deviation [R] (outputs, kept for the backward pass). weight, bias and
/// statistics have the statistics dtype of x (f32 for bf16). With `residual` [R, C], x + residual
/// is normalised and also written to `sum` [R, C].
struct LayerNormForward {
    View x;
    View residual;  ///< optional
    View weight;
    View bias;
    double epsilon = 1e-12;
    View y;
    View sum;  ///< required with residual
    View mean;
    View reciprocal_deviation;
};

/// Gradients of layer_norm. `x` is what was normalised. dx [R, C] gets the gradient by x, plus
/// `dx_addend` [R, C] where that is given (the gradient that reaches x along the residual path).
/// weight_gradient, bias_gradient [C] are overwritten, summed in a fixed order.
struct LayerNormBackward {
    View dy;
    View x;
    View weight;
    View mean;
    View reciprocal_deviation;
    View dx_addend;  ///< optional
    View dx;
    View weight_gradient;
    View bias_gradient;
};

void layer_norm(const Context& context, const LayerNormForward& arguments);
void layer_norm_backward(const Context& context, const LayerNormBackward& arguments);

}  // namespace balmer::kernels
