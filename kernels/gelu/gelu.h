#pragma once
// The exact Gaussian error linear unit (Hendrycks & Gimpel 2016, arXiv:1606.08415):
//   gelu(p) = p Phi(p) = p/2 (1 + erf(p / sqrt 2)),   p = x + bias.

#include "kernels/core/view.h"

namespace balmer::kernels {

/// x, y [R, C] contiguous, same floating dtype (y may be x); bias [C] of statistics dtype,
/// optional.
struct GeluForward {
    View x;
    View bias;  ///< optional
    View y;
};

/// dx = dy * gelu'(x + bias); dx may be dy.
struct GeluBackward {
    View dy;
    View x;
    View bias;  ///< optional
    View dx;
};

void gelu(const Context& context, const GeluForward& arguments);
void gelu_backward(const Context& context, const GeluBackward& arguments);

}  // namespace balmer::kernels
