#pragma once
// Sums and means.

#include "tensor/tensor.h"

namespace balmer {

/// The sum over `dimensions` (negative ones count from the end), which are removed. The result has
/// x's dtype, or `dtype` where that is x's statistics dtype.
Tensor sum(const Tensor& x, std::initializer_list<int> dimensions);
Tensor sum(const Tensor& x, std::initializer_list<int> dimensions, DType dtype);

/// The sum over every dimension: rank 0.
Tensor sum(const Tensor& x);

Tensor mean(const Tensor& x, std::initializer_list<int> dimensions);

/// x summed down to `shape`, which broadcasts to x's: the backward pass of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

/// Mean over the valid tokens: x [B, T, C], mask u8 [B, T] (1 = valid) -> [B, C]; zero for a row
/// without valid tokens.
Tensor masked_mean(const Tensor& x, const Tensor& mask);

}  // namespace balmer
