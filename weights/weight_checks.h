#pragma once
// Do the tensors of a file fit a model, and are they numbers?

#include <map>
#include <string>

#include "kernels/core/shape.h"
#include "kernels/core/view.h"

namespace balmer::weights {

using NamedShapes = std::map<std::string, Shape>;

/// FormatError naming `path` and, in one message, every tensor that is missing, that the model does
/// not have, or that has another shape than the model's (expected and got).
void compare_names(const std::string& path, const NamedShapes& expected, const NamedShapes& found);

/// FormatError naming `path`, the tensor and its first NaN or infinity, if it has any. `view` is
/// contiguous f32, f64 or bf16 on the CPU.
void expect_finite(const std::string& path, const std::string& name, const View& view);

}  // namespace balmer::weights
