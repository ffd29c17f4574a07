#include "kernels/core/shape.h"

#include <algorithm>

#include "kernels/core/error.h"

namespace balmer {

Shape::Shape(std::initializer_list<std::int64_t> sizes)
    : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) {
    for (const auto size : sizes) push_back(size);
}

int Shape::normalised(int dimension) const {
    const int index = dimension < 0 ? dimension + rank_ : dimension;
    if (index < 0 || index >= rank_) {
        throw ShapeError("dimension " + std::to_string(dimension) + " of a shape of rank " +
                         std::to_string(rank_));
    }
    return index;
}

std::int64_t Shape::numel() const {
    std::int64_t product = 1;
    for (const auto size : *this) product *= size;
    return product;
}

void Shape::push_back(std::int64_t size) {
    if (rank_ == max_rank) throw ShapeError("more than 8 dimensions");
    sizes_[rank_++] = size;
}

Shape Shape::without(int dimension) const {
    const int removed = normalised(dimension);
    Shape result;
    for (int i = 0; i < rank_; ++i) {
        if (i != removed) result.push_back(sizes_[i]);
    }
    return result;
}

Shape Shape::with(int dimension, std::int64_t size) const {
    Shape result = *this;
    result[dimension] = size;
    return result;
}

bool Shape::operator==(const Shape& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
}

Strides contiguous_strides(const Shape& shape) {
    Strides strides = shape;
    std::int64_t step = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
        strides[i] = step;
        step *= shape[i];
    }
    return strides;
}

std::string to_string(const Shape& shape) {
    std::string text = "[";
    for (int i = 0; i < shape.rank(); ++i) {
        if (i > 0) text += ", ";
        text += std::to_string(shape[i]);
    }
    return text + "]";
}

Shape broadcast_shape(const Shape& a, const Shape& b, const char* operation) {
    const Shape& longer = a.rank() >= b.rank() ? a : b;
    const Shape& shorter = a.rank() >= b.rank() ? b : a;
    Shape result = longer;
    for (int i = 1; i <= shorter.rank(); ++i) {
        const auto p = longer[-i];
        const auto q = shorter[-i];
        if (p != q && p != 1 && q != 1) {
            throw ShapeError(std::string(operation) + ": shapes " + to_string(a) + " and " +
                             to_string(b) + " do not broadcast");
        }
        result[-i] = p == 1 ? q : p;
    }
    return result;
}

}  // namespace balmer
