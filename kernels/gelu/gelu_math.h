#pragma once
// gelu and its derivative of one number, shared by the gelu room and gemm's epilogues.

#include <cmath>
#include <numbers>

namespace balmer::kernels {

/// p Phi(p).
template <class Value>
Value gelu_value(Value p) {
    return Value(0.5) * p * (1 + std::erf(p * (std::numbers::sqrt2_v<Value> / 2)));
}

/// Phi(p) + p phi(p).
template <class Value>
Value gelu_derivative(Value p) {
    constexpr auto root = std::numbers::inv_sqrtpi_v<Value> * std::numbers::sqrt2_v<Value> / 2;
    return Value(0.5) * (1 + std::erf(p * (std::numbers::sqrt2_v<Value> / 2))) +
           p * root * std::exp(Value(-0.5) * p * p);
}

}  // namespace balmer::kernels
