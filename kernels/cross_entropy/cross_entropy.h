#pragma once
// Softmax and cross entropy in one:
//   loss = 1/normaliser * sum_r weight[r] * (log sum_k exp(x[r, k]) - x[r, target[r]])

#include "kernels/core/view.h"

namespace balmer::kernels {

/// logits [R, K] floating, contiguous; target i64 [R], a negative target leaves the row out; weight
/// f32 [R], optional. `normaliser` is a positive number the caller knows (the count or weight of
/// valid rows of the whole batch, of which this may be a part). Outputs: loss [1] and
/// log_sum_exp [R], both of statistics dtype. A target >= K is a ShapeError on the CPU; on other
/// devices, whose memory the host does not read, it makes the loss and its row of the gradient NaN.
struct CrossEntropyForward {
    View logits;
    View target;
    View weight;  ///< optional
    double normaliser = 1.0;
    View loss;
    View log_sum_exp;
};

/// logits_gradient [R, K] = loss_gradient[0] * d loss / d logits (0 for rows left out).
struct CrossEntropyBackward {
    View loss_gradient;
    View logits;
    View target;
    View weight;  ///< optional
    double normaliser = 1.0;
    View log_sum_exp;
    View logits_gradient;
};

void cross_entropy(const Context& context, const CrossEntropyForward& arguments);
void cross_entropy_backward(const Context& context, const CrossEntropyBackward& arguments);

}  // namespace balmer::kernels
