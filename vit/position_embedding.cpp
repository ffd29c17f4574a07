#include "vit/position_embedding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/core/error.h"
#include "tensor/ops.h"

namespace balmer::vit {
namespace {

/// Weights of the four neighbours of a point at `fraction` in [0, 1) between the middle two.
std::array<double, 4> cubic_weights(double fraction) {
    constexpr double a = -0.75;
    const auto near = [](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };  // |x| <= 1
    const auto far = [](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };  // to 2
    return {far(fraction + 1), near(fraction), near(1 - fraction), far(2 - fraction)};
}

/// Row-major [to, from]: each new point as a sum of old ones, along one dimension.
std::vector<double> interpolation_along(std::int64_t from, std::int64_t to) {
    std::vector<double> matrix(static_cast<std::size_t>(to * from));
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    for (std::int64_t i = 0; i < to; ++i) {
        const double source = (static_cast<double>(i) + 0.5) * scale - 0.5;
        const auto first = static_cast<std::int64_t>(std::floor(source));
        const auto weights = cubic_weights(source - static_cast<double>(first));
        for (std::int64_t tap = 0; tap < 4; ++tap) {
            const std::int64_t j = std::clamp<std::int64_t>(first - 1 + tap, 0, from - 1);
            matrix[static_cast<std::size_t>(i * from + j)] +=
                weights[static_cast<std::size_t>(tap)];
        }
    }
    return matrix;
}

/// f32 [to.size(), from.size()]: the product of both dimensions' interpolations.
Tensor interpolation_matrix(Grid from, Grid to, const Context& context) {
    const auto vertical = interpolation_along(from.rows, to.rows);
    const auto horizontal = interpolation_along(from.columns, to.columns);
    std::vector<float> matrix;
    matrix.reserve(static_cast<std::size_t>(to.size() * from.size()));
    for (std::int64_t row = 0; row < to.rows; ++row) {
        for (std::int64_t column = 0; column < to.columns; ++column) {
            for (std::int64_t i = 0; i < from.rows; ++i) {
                const double weight = vertical[static_cast<std::size_t>(row * from.rows + i)];
                for (std::int64_t j = 0; j < from.columns; ++j) {
                    const auto at = static_cast<std::size_t>(column * from.columns + j);
                    matrix.push_back(static_cast<float>(weight * horizontal[at]));
                }
            }
        }
    }
    return Tensor::from(matrix, {to.size(), from.size()}, context);
}

}  // namespace

Tensor interpolate_position(const Tensor& position, Grid from, Grid to) {
    if (position.rank() != 2 || position.size(0) != 1 + from.size()) {
        throw_shape_error("interpolate_position", {position},
                          "expected a row for the class token and " + std::to_string(from.rows) +
                              " x " + std::to_string(from.columns) + " patches");
    }
    if (from == to) return position;
    const Tensor matrix = interpolation_matrix(from, to, position.context());
    const Tensor patches = matmul(matrix, slice(position, 0, 1, from.size()));
    return concatenate({slice(position, 0, 0, 1), patches}, 0);
}

Tensor sinusoidal_positions(std::int64_t length, std::int64_t width, const Context& context) {
    std::vector<float> table(static_cast<std::size_t>(length * width));
    for (std::int64_t channel = 0; channel < width; ++channel) {
        const std::int64_t even = channel - channel % 2;
        const double exponent = static_cast<double>(even) / static_cast<double>(width);
        const double frequency = std::pow(10000.0, -exponent);
        for (std::int64_t t = 0; t < length; ++t) {
            const double angle = static_cast<double>(t) * frequency;
            table[static_cast<std::size_t>(t * width + channel)] =
                static_cast<float>(channel % 2 == 0 ? std::sin(angle) : std::cos(angle));
        }
    }
    return Tensor::from(table, {length, width}, context);
}

}  // namespace balmer::vit
