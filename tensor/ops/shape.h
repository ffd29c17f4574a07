#pragma once
// Operations that move or reinterpret elements. Views share storage with their input.

#include "tensor/tensor.h"

namespace balmer {

/// The same elements in another shape; one size may be -1. A view where x is contiguous, else a
/// copy. ShapeError if the number of elements differs.
Tensor reshape(const Tensor& x, const Shape& shape);

/// A view with dimensions reordered: result dimension i is x's dimension order[i].
Tensor permute(const Tensor& x, std::initializer_list<int> order);
/// A view with two dimensions exchanged.
Tensor transpose(const Tensor& x, int first, int second);
/// A view of `length` elements of one dimension from `start`.
Tensor slice(const Tensor& x, int dimension, std::int64_t start, std::int64_t length);
/// A view of one element of a dimension, which is removed.
Tensor select(const Tensor& x, int dimension, std::int64_t index);
/// A view broadcast to `shape` (numpy's rule).
Tensor expand(const Tensor& x, const Shape& shape);
/// x itself if it is contiguous, else a copy.
Tensor contiguous(const Tensor& x);
/// The tensors one after the other along a dimension; other sizes must agree.
Tensor concatenate(const std::vector<Tensor>& tensors, int dimension);
/// x in another floating dtype; x itself if it has it. The gradient is converted back.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace balmer
