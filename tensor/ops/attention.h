#pragma once
// Multi-head attention as differentiable operations; see kernels/attention/attention.h.

#include "tensor/tensor.h"

namespace balmer {

/// softmax(scale q k^T) v for every head: query [B, T, H, D], key and value [B, S, H, D] -> [B, T,
/// H, D]. key_mask u8 [B, S] may be undefined; 0 leaves a key out. scale is normally 1 / sqrt(D).
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value,
                 const Tensor& key_mask, double scale);

/// Self-attention over a packed projection: qkv [B, T, 3, H, D] -> [B, T, H, D]. The gradient comes
/// back packed, without copies.
Tensor packed_attention(const Tensor& qkv, const Tensor& key_mask, double scale);

}  // namespace balmer
