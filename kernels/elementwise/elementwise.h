#pragma once
// Element by element: arithmetic with broadcasting, functions of one variable, copies and casts.

#include <cstdint>

#include "kernels/core/view.h"

namespace balmer::kernels {

enum class BinaryOperation : std::uint8_t { add, subtract, multiply, divide };

/// out = a (operation) b. All of one floating dtype, any strides; a and b broadcast to out's shape
/// (their strides may be 0). out may be a or b where it has the same layout.
struct Binary {
    BinaryOperation operation = BinaryOperation::add;
    View a;
    View b;
    View out;
};
void binary(const Context& context, const Binary& arguments);

enum class UnaryOperation : std::uint8_t {
    negative,
    exponential,
    logarithm,
    square_root,
    tanh,
    relu,
    sigmoid,
    sine,
    cosine,
    square
};

/// out = f(x): same shape and floating dtype, any strides; out may be x.
struct Unary {
    UnaryOperation operation = UnaryOperation::negative;
    View x;
    View out;
};
void unary(const Context& context, const Unary& arguments);

/// dx = dy * f'(x): same shapes and dtype, any strides.
struct UnaryBackward {
    UnaryOperation operation = UnaryOperation::negative;
    View x;
    View dy;
    View dx;
};
void unary_backward(const Context& context, const UnaryBackward& arguments);

/// out = scale * x + shift (scale and shift in f64, rounded once); any strides, one floating dtype.
struct Affine {
    View x;
    double scale = 1.0;
    double shift = 0.0;
    View out;
};
void affine(const Context& context, const Affine& arguments);

/// out = x converted to out's dtype; same shape (x may have stride 0), any strides, every dtype.
/// Conversion between floating types rounds to nearest even; between the others as static_cast.
struct Copy {
    View x;
    View out;
};
void copy(const Context& context, const Copy& arguments);

/// Every element of out = value.
void fill(const Context& context, const View& out, double value);

}  // namespace balmer::kernels
