#pragma once
// Leaving out at random, elements or whole samples, with p = `probability`:
//   dropout     y_i = x_i / (1 - p) or 0        (Srivastava et al. 2014, JMLR 15, 1929)
//   drop path   y_b = residual_b + x_b / (1 - p) or residual_b   for sample b of a batch
//               (stochastic depth: Huang et al. 2016, arXiv:1603.09382)
// What is left out is a function of counters alone (kernels/core/random.h), the same on every
// device, so that nothing is stored for the backward pass: the gradient by x is the operation
// itself (without residual) on the gradient of y at the same place in the stream.

#include "kernels/core/view.h"

namespace balmer::kernels {

/// The place in a stream of random numbers at which an operation starts. `advance` is added to
/// `position` when the operation runs, not when it is called: a captured graph of operations reads
/// a new place at every replay.
struct RandomPlace {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;
    std::uint64_t position = 0;
    View advance;  ///< optional, i64 [1]
};

/// x, y of one shape and floating dtype, contiguous; y may be x. Element i (row-major) is left out
/// where word i % 4 of philox(seed, stream, position + i / 4) is below 2^32 p.
struct Dropout {
    View x;
    double probability = 0.0;
    RandomPlace place;
    View y;
};

/// x, residual, y [B, C] contiguous, one floating dtype; y may be x or residual. Sample b is left
/// out where a Random(seed, stream) at position + b draws a uniform() below p: B numbers.
struct DropPath {
    View x;
    View residual;  ///< optional
    double probability = 0.0;
    RandomPlace place;
    View y;
};

/// UsageError unless 0 <= probability < 1.
void dropout(const Context& context, const Dropout& arguments);
void drop_path(const Context& context, const DropPath& arguments);

}  // namespace balmer::kernels
