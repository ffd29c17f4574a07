#pragma once
// First values of parameters, and values from elsewhere.

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace balmer::nn {

/// Overwrites an f32 tensor in place; ShapeError unless `values` are as many as its elements.
void assign(const Tensor& parameter, std::span<const float> values);

/// Draws from a normal distribution of mean 0 and `deviation`, cut at two deviations. Each element
/// depends on `seed`, `stream` and its index alone.
void fill_truncated_normal(const Tensor& parameter, double deviation, std::uint64_t seed,
                           std::uint64_t stream);

/// Draws from the uniform distribution on [-limit, limit), likewise.
void fill_uniform(const Tensor& parameter, double limit, std::uint64_t seed, std::uint64_t stream);

}  // namespace balmer::nn
