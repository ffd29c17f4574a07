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

/// The Euclidean norm of all elements of all views together, kept in f64; NaN or infinite if any
/// element is. Views are floating (on other devices than the CPU f32 or bf16) and contiguous. `out`
/// [1], f32 or f64, stays on the device: nothing waits for it.
void global_norm(const Context& context, std::span<const View> views, const View& out);
/// The same as a number, for which the host waits.
double global_norm(const Context& context, std::span<const View> views);

/// Writes 1 to `out` (i32 [1]) if no element of the view, which may be strided, is NaN or infinite,
/// else 0. Nothing waits for it.
void all_finite(const Context& context, const View& view, const View& out);
/// The same as a truth value, for which the host waits.
bool all_finite(const Context& context, const View& view);

}  // namespace balmer::kernels
