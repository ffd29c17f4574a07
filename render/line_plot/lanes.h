#pragma once
// Several numbers at a time, for the CPU: vectors of GCC and Clang, which are those of the machine.

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "render/line_plot/cells.h"
#include "render/line_plot/stroke.h"

namespace balmer::render::line_plot {

inline constexpr int lanes = 4;
using Doubles = double __attribute__((vector_size(lanes * sizeof(double))));
using Integers = int __attribute__((vector_size(lanes * sizeof(int))));
using Choice = decltype(Doubles{} < Doubles{});

template <>
inline Doubles square_root(Doubles x) {
    Doubles root;
    for (int i = 0; i < lanes; ++i) root[i] = std::sqrt(x[i]);
    return root;
}

/// Of Doubles or Integers.
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

inline Integers to_grid(Doubles value) {
    constexpr double farthest = 8191.0;
    const Doubles all = farthest - Doubles{};
    const Doubles near = value > -farthest ? (value < farthest ? value : all) : -all;
    return __builtin_convertvector(near < 0. ? near * subpixels - 0.5 : near * subpixels + 0.5,
                                   Integers);
}

/// Makes floor exact for a quotient of whole numbers below 2^21 times another one, if the product
/// is below 2^21 as well: it is worked out to 2^-31, and lies 0 or at least 2^-21 above a whole
/// number.
inline constexpr double whole_number_bias = 0x1p-24;

inline Integers whole_number(Doubles x) {
    Doubles floors;
    for (int i = 0; i < lanes; ++i) floors[i] = std::floor(x[i] + whole_number_bias);
    return __builtin_convertvector(floors, Integers);
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
    void set(std::size_t first, const Points& points) {
        store(to_grid(points.x), &x[first]);
        store(to_grid(points.y), &y[first]);
    }
};

}  // namespace balmer::render::line_plot
