#pragma once
// gelu and its derivative of one number, shared by the gelu room and gemm's epilogues.

#include "kernels/core/vector_math.h"

namespace balmer::kernels {

/// p Phi(p).
template <class Value>
Value gelu_value(Value p) {
    return p * gaussian(p).distribution;
}

/// Phi(p) + p phi(p).
template <class Value>
Value gelu_derivative(Value p) {
    const auto [distribution, density] = gaussian(p);
    return distribution + p * density;
}

}  // namespace balmer::kernels
