#pragma once
// First values of parameters, and values from elsewhere.

#include <cstdint>
#include <span>

#include "kernels/core/random.h"
#include "tensor/tensor.h"

namespace balmer::nn {

/// Overwrites an f32 tensor in place; ShapeError unless `values` are as many as its elements.
void assign(const Tensor& parameter, std::span<const float> values);

/// Draws from a normal distribution of mean 0 and `deviation`, cut at two deviations.
void fill_truncated_normal(const Tensor& parameter, double deviation, Random& random);

/// Draws from the uniform distribution on [-limit, limit).
void fill_uniform(const Tensor& parameter, double limit, Random& random);

}  // namespace balmer::nn
