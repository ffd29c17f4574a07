#pragma once
// Scaled dot-product attention, all heads in one call:
//   out = softmax(scale * q k^T + mask) v
// No [T, T] matrix is kept: the backward pass recomputes probabilities from q, k and the
// log-sum-exp of each row (Dao et al. 2022, arXiv:2205.14135).

#include "kernels/core/view.h"

namespace balmer::kernels {

/// query [B, T, H, D], key and value [B, S, H, D], out [B, T, H, D]: one floating dtype, D
/// contiguous, the other strides free (a packed projection [B, T, 3, H, D] is three such views).
/// key_mask u8 [B, S], optional: keys with 0 get no attention; a row without any key gives 0.
/// log_sum_exp [B, H, T] of statistics dtype (output; -infinity for a row without keys).
struct AttentionForward {
    View query;
    View key;
    View value;
    View key_mask;  ///< optional
    double scale = 1.0;
    View out;
    View log_sum_exp;
};

/// Gradients by query, key and value, overwritten; same layouts as above.
struct AttentionBackward {
    View out_gradient;
    View query;
    View key;
    View value;
    View key_mask;  ///< optional
    double scale = 1.0;
    View out;
    View log_sum_exp;
    View query_gradient;
    View key_gradient;
    View value_gradient;
};

void attention(const Context& context, const AttentionForward& arguments);
void attention_backward(const Context& context, const AttentionBackward& arguments);

}  // namespace balmer::kernels
