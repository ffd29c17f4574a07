#pragma once
// Sums in a fixed order: the same bits for the same input, whatever the thread count.

#include <span>

#include "kernels/core/view.h"

namespace balmer::kernels {

/// Sums x over every dimension in which `out` has size 1 (same rank; other sizes equal), times
/// `scale`. x may be strided; out is contiguous, of x's dtype or its statistics dtype. Sums are
/// kept in f32 (f64 for f64).
struct Sum {
    View x;
    double scale = 1.0;
    View out;
};
void sum(const Context& context, const Sum& arguments);

/// The Euclidean norm of all elements of all views together, in f64; NaN or infinite if any element
/// is. Views are floating and contiguous.
double global_norm(const Context& context, std::span<const View> views);

/// True if no element is NaN or infinite.
bool all_finite(const Context& context, const View& view);

}  // namespace balmer::kernels
