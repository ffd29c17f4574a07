#pragma once
// Shapes and strides: up to eight dimensions, kept inline, row-major by default.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace balmer {

/// Throughout Balmer: B batch, T tokens, C channels or model width, H heads, D head dimension.
class Shape {
  public:
    static constexpr int max_rank = 8;

    Shape() = default;
    Shape(std::initializer_list<std::int64_t> sizes);
    explicit Shape(std::span<const std::int64_t> sizes);

    int rank() const { return rank_; }
    std::int64_t operator[](int dimension) const { return sizes_[normalised(dimension)]; }
    std::int64_t& operator[](int dimension) { return sizes_[normalised(dimension)]; }
    const std::int64_t* begin() const { return sizes_.data(); }
    const std::int64_t* end() const { return sizes_.data() + rank_; }
    std::int64_t back() const { return (*this)[-1]; }

    /// Product of the sizes; 1 for rank 0.
    std::int64_t numel() const;
    void push_back(std::int64_t size);
    /// Without / with one dimension. `dimension` may be negative.
    Shape without(int dimension) const;
    Shape with(int dimension, std::int64_t size) const;

    bool operator==(const Shape& other) const;

  private:
    int normalised(int dimension) const;

    std::array<std::int64_t, max_rank> sizes_{};
    int rank_ = 0;
};

/// Strides have the same representation as shapes; they count elements, not bytes.
using Strides = Shape;

Strides contiguous_strides(const Shape& shape);

/// "[2, 197, 768]".
std::string to_string(const Shape& shape);

/// The shape two operands broadcast to (numpy's rule); ShapeError naming `operation` if none.
Shape broadcast_shape(const Shape& a, const Shape& b, const char* operation);

}  // namespace balmer
