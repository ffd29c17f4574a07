#pragma once
// Checks the gradients of a function of tensors in double precision against central differences.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "kernels/core/random.h"
#include "tensor/ops.h"

namespace balmer::testing {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

/// A leaf of normal numbers (f64 by default) that requires a gradient.
inline Tensor random_leaf(const Shape& shape, std::uint64_t seed, DType dtype = DType::f64) {
    Random random(seed, 77);
    std::vector<double> values(static_cast<std::size_t>(shape.numel()));
    for (double& value : values) value = random.normal();
    Tensor leaf = cast(Tensor::from(values, shape), dtype);
    return leaf.set_requires_grad();
}

/// Every entry of the Jacobian-vector product of `function` by each of `inputs` (f64 leaves),
/// against finite differences; the result is contracted with fixed random numbers first.
inline void expect_gradients_match(const Function& function, const std::vector<Tensor>& inputs,
                                   double tolerance = 1e-7) {
    const Tensor result = function(inputs);
    Random random(5, 5);
    std::vector<double> direction(static_cast<std::size_t>(result.numel()));
    for (double& value : direction) value = random.normal();
    const Tensor seed = Tensor::from(direction, result.shape());
    for (const Tensor& input : inputs) input.clear_grad();
    result.backward(seed);

    const auto value_at = [&] {
        const NoGrad no_grad;
        const auto values = function(inputs).to_vector<double>();
        double sum = 0.0;
        for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] * direction[i];
        return sum;
    };
    for (std::size_t n = 0; n < inputs.size(); ++n) {
        ASSERT_TRUE(inputs[n].grad().defined()) << "input " << n << " got no gradient";
        const auto gradient = inputs[n].grad().to_vector<double>();
        double* data = inputs[n].data<double>();
        for (std::size_t i = 0; i < gradient.size(); ++i) {
            const double original = data[i];
            const double step = 1e-5 * std::max(1.0, std::abs(original));
            data[i] = original + step;
            const double above = value_at();
            data[i] = original - step;
            const double below = value_at();
            data[i] = original;
            const double expected = (above - below) / (2.0 * step);
            ASSERT_NEAR(gradient[i], expected, tolerance * std::max(1.0, std::abs(expected)))
                << "input " << n << ", element " << i;
        }
    }
}

}  // namespace balmer::testing
