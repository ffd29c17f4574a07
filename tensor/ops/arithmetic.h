#pragma once
// Arithmetic with numpy's broadcasting, and functions of one variable. All floating dtypes;
// operands of one call share dtype and device, else DTypeError or DeviceError; ShapeError where
// shapes do not broadcast.

#include "tensor/tensor.h"

namespace balmer {

Tensor add(const Tensor& a, const Tensor& b);
Tensor subtract(const Tensor& a, const Tensor& b);
Tensor multiply(const Tensor& a, const Tensor& b);
Tensor divide(const Tensor& a, const Tensor& b);

/// scale * x + shift.
Tensor affine(const Tensor& x, double scale, double shift = 0.0);

Tensor negative(const Tensor& x);
Tensor exponential(const Tensor& x);
Tensor logarithm(const Tensor& x);
Tensor square_root(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor sine(const Tensor& x);
Tensor cosine(const Tensor& x);
Tensor square(const Tensor& x);
/// Exact (erf) GELU; `bias` [C], of the statistics dtype, may be undefined.
Tensor gelu(const Tensor& x, const Tensor& bias = {});

inline Tensor operator+(const Tensor& a, const Tensor& b) {
    return add(a, b);
}
inline Tensor operator-(const Tensor& a, const Tensor& b) {
    return subtract(a, b);
}
inline Tensor operator*(const Tensor& a, const Tensor& b) {
    return multiply(a, b);
}
inline Tensor operator/(const Tensor& a, const Tensor& b) {
    return divide(a, b);
}
inline Tensor operator*(const Tensor& x, double factor) {
    return affine(x, factor);
}
inline Tensor operator+(const Tensor& x, double shift) {
    return affine(x, 1.0, shift);
}

}  // namespace balmer
