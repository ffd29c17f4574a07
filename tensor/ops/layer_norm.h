#pragma once
#include "tensor/tensor.h"

namespace balmer {

/// Layer normalisation over the last dimension C of x; weight and bias [C] of x's statistics dtype.
/// Ba et al. 2016, arXiv:1607.06450. Saves x, means and reciprocal deviations.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon);

}  // namespace balmer
