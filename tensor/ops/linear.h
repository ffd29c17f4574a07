#pragma once
// Matrix products: general, and as the layers of a network use them.
//
// Mixed precision: where x is bf16, weights, biases and their gradients stay f32; the products read
// the weights' cached bf16 copy (Tensor::low_precision) and accumulate in f32.

#include "tensor/tensor.h"

namespace balmer {

/// a [..., m, k] times b [..., k, n] -> [..., m, n]; leading dimensions must be equal, or b has
/// none.
Tensor matmul(const Tensor& a, const Tensor& b);

/// x [..., in] -> x weight^T + bias (+ residual) [..., out]; weight [out, in], bias [out] and
/// residual [..., out] may be undefined (bias and residual).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Tensor& residual = {});

/// The MLP of a transformer block: gelu(x w1^T + b1) w2^T + b2 (+ residual), with the GELU and its
/// gradient in the products' epilogues. Saves x, the pre-activation and its GELU.
/// w1 [hidden, in], b1 [hidden], w2 [out, hidden], b2 [out].
Tensor mlp(const Tensor& x, const Tensor& w1, const Tensor& b1, const Tensor& w2, const Tensor& b2,
           const Tensor& residual = {});

}  // namespace balmer
