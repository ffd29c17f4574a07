#pragma once
// Leaving out at random (kernels/dropout).

#include "kernels/core/random.h"
#include "tensor/tensor.h"

namespace balmer {

/// Stochastic depth (Huang et al. 2016, arXiv:1603.09382): sample b of x [B, ...] becomes 0 with
/// `probability`, else x[b] / (1 - probability); plus `residual` [B, ...] where it is defined. One
/// number of `random` a sample. UsageError unless 0 <= probability < 1.
Tensor drop_path(const Tensor& x, double probability, Random& random, const Tensor& residual = {});

/// The same of single elements (Srivastava et al. 2014). One number of `random` every four
/// elements.
Tensor dropout(const Tensor& x, double probability, Random& random);

}  // namespace balmer
