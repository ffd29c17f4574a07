#pragma once
// How a pixel of a spectrum reaches into a bin of the common grid, for every device.

#include <algorithm>
#include <cstdint>

namespace balmer::kernels {

/// Overlaps below this part of a bin are rounding of the edges, not overlaps.
inline constexpr double negligible_overlap = 1e-9;
/// A spacing this many times its smaller neighbour is a gap between two runs of pixels.
inline constexpr double gap_ratio = 1.8;

struct Edges {
    double lower;
    double upper;
};

/// True where pixels k and k + 1 touch.
constexpr bool is_joined(const double* wavelength, std::int64_t size, std::int64_t k) {
    if (k < 0 || k + 1 >= size) return false;
    const double spacing = wavelength[k + 1] - wavelength[k];
    double neighbour = spacing;
    if (k > 0) neighbour = std::min(neighbour, wavelength[k] - wavelength[k - 1]);
    if (k + 2 < size) neighbour = std::min(neighbour, wavelength[k + 2] - wavelength[k + 1]);
    return spacing <= gap_ratio * neighbour;
}

/// Edges of pixel i: halfway to its neighbours; beside a gap or an end as far as on the other side.
/// A pixel without any neighbour has no known width and gets none.
constexpr Edges pixel_edges(const double* wavelength, std::int64_t size, std::int64_t i) {
    const bool left = is_joined(wavelength, size, i - 1);
    const bool right = is_joined(wavelength, size, i);
    const double to_left = left ? 0.5 * (wavelength[i] - wavelength[i - 1]) : 0.0;
    const double to_right = right ? 0.5 * (wavelength[i + 1] - wavelength[i]) : 0.0;
    return {wavelength[i] - (left ? to_left : to_right),
            wavelength[i] + (right ? to_right : to_left)};
}

/// One pixel of the common grid.
struct GridPixel {
    float flux = 0.0F;
    float inverse_variance = 0.0F;
    std::uint8_t mask = 1;
};

/// The bin from `lower` to `upper`, of the pixels from `first`, the first one that reaches into it,
/// on. `edges_of(i)` are the edges of pixel i.
template <class EdgesOf>
constexpr GridPixel rebinned(const float* flux, const float* inverse_variance,
                             const std::uint8_t* mask, std::int64_t size, std::int64_t first,
                             double lower, double upper, const EdgesOf& edges_of) {
    const double negligible = negligible_overlap * (upper - lower);
    double covered = 0.0;
    double sum = 0.0;
    double variance = 0.0;
    for (std::int64_t i = first; i < size; ++i) {
        const Edges edges = edges_of(i);
        if (edges.lower >= upper - negligible) break;
        if (mask[i] != 0 || !(inverse_variance[i] > 0.0F)) return {};
        const double overlap = std::min(upper, edges.upper) - std::max(lower, edges.lower);
        covered += overlap;
        sum += overlap * double{flux[i]};
        variance += overlap * overlap / double{inverse_variance[i]};
    }
    if (covered < (upper - lower) - 2.0 * negligible) return {};
    return {static_cast<float>(sum / covered), static_cast<float>(covered * covered / variance), 0};
}

}  // namespace balmer::kernels
