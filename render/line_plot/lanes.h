#pragma once
// Several numbers at a time, for the CPU: vectors of GCC and Clang, which are those of the machine.

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "render/line_plot/cells.h"
#include "render/line_plot/stroke.h"

namespace balmer::render::line_plot {

inline constexpr int lanes = 4;
using Doubles = double __attribute__((vector_size(lanes * sizeof(double))));
using Integers = int __attribute__((vector_size(lanes * sizeof(int))));
using Integers64 = std::int64_t __attribute__((vector_size(lanes * sizeof(std::int64_t))));
using Choice = decltype(Doubles{} < Doubles{});

/// Pixels or edges that are looked at together where 32 bits each are enough.
inline constexpr int group = 8;
using Words = std::uint32_t __attribute__((vector_size(group * sizeof(std::uint32_t))));

template <>
inline Doubles square_root(Doubles x) {
    Doubles root;
    for (int i = 0; i < lanes; ++i) root[i] = std::sqrt(x[i]);
    return root;
}

/// Of any vector, from its first value on.
template <class Vector, class T>
Vector load(const T* values) {
    Vector result;
    std::memcpy(&result, values, sizeof(result));
    return result;
}
template <class Vector, class T>
void store(Vector vector, T* values) {
    std::memcpy(values, &vector, sizeof(vector));
}

using Points = PointOf<Doubles>;

inline Points chosen(Choice choice, const Points& a, const Points& b) {
    return {choice ? a.x : b.x, choice ? a.y : b.y};
}
inline Points opposite(const Points& point) {
    return {-point.x, -point.y};
}

/// b where one of them is NaN.
inline Doubles lesser(Doubles a, Doubles b) {
    return a < b ? a : b;
}
/// b where one of them is NaN.
inline Doubles greater(Doubles a, Doubles b) {
    return a > b ? a : b;
}
inline Doubles floors(Doubles x) {
    Doubles result;
    for (int i = 0; i < lanes; ++i) result[i] = std::floor(x[i]);
    return result;
}

/// a * b + c, for results that do not depend on how often that is rounded.
inline Doubles product_plus(Doubles a, Doubles b, Doubles c) {
#ifdef __FMA__
    Doubles result;
    for (int i = 0; i < lanes; ++i) result[i] = std::fma(a[i], b[i], c[i]);
    return result;
#else
    return a * b + c;
#endif
}

/// As `to_grid` of cells.h.
inline Integers to_grid(Doubles value) {
    const Doubles farthest = 8191.0 - Doubles{};
    const Doubles near = lesser(greater(value, -farthest), farthest);
    constexpr auto sign_bit = std::numeric_limits<std::int64_t>::min();
    const auto sign = reinterpret_cast<Integers64>(near) & sign_bit;
    const auto half = reinterpret_cast<Integers64>(0.5 - Doubles{}) | sign;
    return __builtin_convertvector(near * subpixels + reinterpret_cast<Doubles>(half), Integers);
}

/// Points in 1/256 of an image pixel.
struct GridLanes {
    Integers x;
    Integers y;
};

inline GridLanes to_grid(const Points& points) {
    return {to_grid(points.x), to_grid(points.y)};
}
inline GridLanes chosen(Integers choice, const GridLanes& a, const GridLanes& b) {
    return {choice ? a.x : b.x, choice ? a.y : b.y};
}

/// Coordinates of many points.
template <std::size_t capacity>
struct GridPoints {
    std::array<int, capacity> x;
    std::array<int, capacity> y;

    GridPoint operator[](std::size_t i) const { return {x[i], y[i]}; }
    void set(std::size_t i, GridPoint point) {
        x[i] = point.x;
        y[i] = point.y;
    }
    void set(std::size_t first, const GridLanes& points) {
        store(points.x, &x[first]);
        store(points.y, &y[first]);
    }
};

}  // namespace balmer::render::line_plot
