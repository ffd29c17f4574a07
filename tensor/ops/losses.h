#pragma once
// Losses, fused with what precedes them. Each is a sum over rows divided by `normaliser`, so that
// the micro-batches of one batch add up to the batch's loss.

#include "tensor/tensor.h"

namespace balmer {

/// Softmax cross entropy: logits [R, K], target i64 [R] (negative: row left out), weight f32 [R] or
/// undefined -> scalar of the statistics dtype.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, double normaliser,
                     const Tensor& weight = {});

/// Squared error, or Huber's loss with `huber_delta` > 0: prediction of any shape, target of the
/// same shape in its statistics dtype, weight f32 of the same shape or undefined (0: left out).
Tensor mse(const Tensor& prediction, const Tensor& target, double normaliser,
           const Tensor& weight = {}, double huber_delta = 0.0);

}  // namespace balmer
