#pragma once
// Squared error, or Huber's loss (1964) where `huber_delta` > 0:
//   loss = 1/normaliser * sum_i weight[i] * l(x[i] - target[i])
//   l(e) = e^2, or with delta: e^2 for |e| <= delta, else delta (2 |e| - delta).

#include "kernels/core/view.h"

namespace balmer::kernels {

/// prediction [N] floating contiguous (any shape is taken as flat); target [N] of statistics dtype;
/// weight f32 [N], optional: elements with weight 0 are left out, whatever their target holds (NaN
/// too). loss [1] of statistics dtype.
struct MseForward {
    View prediction;
    View target;
    View weight;  ///< optional
    double normaliser = 1.0;
    double huber_delta = 0.0;
    View loss;
};

/// prediction_gradient [N] = loss_gradient[0] * d loss / d prediction.
struct MseBackward {
    View loss_gradient;
    View prediction;
    View target;
    View weight;  ///< optional
    double normaliser = 1.0;
    double huber_delta = 0.0;
    View prediction_gradient;
};

void mse(const Context& context, const MseForward& arguments);
void mse_backward(const Context& context, const MseBackward& arguments);

}  // namespace balmer::kernels
