#pragma once
// A polygon as coverage of image pixels, and coverage as colour.
//
// Every edge adds to the cells (image pixels) that it crosses: `cover`, its height there, and
// `area`, twice the area between it and the cell's left side, both signed and in 1/256 of a pixel.
// A pixel's coverage is the sum of cover over the cells to its left and itself, less its area. What
// lies twice inside the polygon counts twice, up to full coverage. Sums of integers have no order:
// edges can be added in parallel.
//
// Source: the rasteriser of Anti-Grain Geometry 2.4 (agg_rasterizer_cells_aa.h; M. Shemanarev,
// after D. Turner's in FreeType), and matplotlib's blending (src/agg_workaround.h).

#include <cstdint>

#include "render/line_plot/axes.h"

namespace balmer::render::line_plot {

inline constexpr int subpixels = 256;

/// A point in 1/256 of an image pixel.
struct GridPoint {
    int x;
    int y;
};

/// Rounded half away from zero. What lies far outside of any image comes to lie at 8191 pixels, so
/// that products in `add_edge` fit in 32 bits; NaN too.
constexpr int to_grid(double value) {
    constexpr double farthest = 8191.0;
    const double near = value > -farthest ? (value < farthest ? value : farthest) : -farthest;
    return static_cast<int>(near < 0 ? near * subpixels - 0.5 : near * subpixels + 0.5);
}

constexpr GridPoint to_grid(Point point) {
    return {to_grid(point.x), to_grid(point.y)};
}

/// The sums of cover and area of a cell in one number, so that one addition adds to both: cover in
/// the upper half, area in the lower, carrying into the upper.
using CellSum = unsigned long long;

constexpr CellSum cell_sum(int cover, int area) {
    return (static_cast<CellSum>(cover) << 32) + static_cast<CellSum>(area);
}
constexpr std::int32_t area_of(CellSum sum) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(sum));
}
/// Modulo 2^32, as sums over a row are.
constexpr std::uint32_t cover_of(CellSum sum) {
    return static_cast<std::uint32_t>((sum - static_cast<CellSum>(area_of(sum))) >> 32);
}

/// The cells of one image side x side. `Sink` has add(cell, sum), which adds to the sum of cell
/// `row * side + column`.
template <class Sink>
struct CellGrid {
    Sink sink;
    int side;

    /// What lies left of the image counts as its left edge; what lies elsewhere outside has no
    /// effect on it.
    constexpr void add(int column, int row, int cover, int area) const {
        if (row < 0 || row >= side || column >= side) return;
        if (column < 0) {
            column = 0;
            area = 0;
        }
        sink.add(row * side + column, cell_sum(cover, area));
    }
};

/// Quotient rounded down, and the remainder, which is not negative.
struct FloorDivision {
    int quotient;
    int remainder;

    constexpr FloorDivision(int dividend, int divisor)
        : quotient(dividend / divisor), remainder(dividend % divisor) {
        if (remainder < 0) {
            --quotient;
            remainder += divisor;
        }
    }
};

/// The multiples of dividend / divisor in whole steps: `next` is the step to the next one.
class WholeSteps {
  public:
    constexpr WholeSteps(int remainder, int dividend, int divisor)
        : each_(dividend, divisor), remainder_(remainder), divisor_(divisor) {}

    constexpr int next() {
        remainder_ += each_.remainder;
        if (remainder_ < divisor_) return each_.quotient;
        remainder_ -= divisor_;
        return each_.quotient + 1;
    }

  private:
    FloorDivision each_;
    int remainder_;
    int divisor_;
};

/// The piece of an edge within one row: from x = from to x = to, in height from y1 to y2 above the
/// row's upper side (0..256).
template <class Grid>
constexpr void add_within_row(const Grid& grid, int row, int from, int y1, int to, int y2) {
    if (y1 == y2) return;
    const int height = y2 - y1;
    int column = from >> 8;
    const int last = to >> 8;
    const int x1 = from & 255;
    const int x2 = to & 255;
    if (column == last) return grid.add(column, row, height, (x1 + x2) * height);
    const bool is_right = to > from;
    const int step = is_right ? 1 : -1;
    const int width = is_right ? to - from : from - to;
    const int leaving = is_right ? subpixels : 0;  // x where it leaves a column
    const FloorDivision first((is_right ? subpixels - x1 : x1) * height, width);
    grid.add(column, row, first.quotient, (x1 + leaving) * first.quotient);
    int rest = height - first.quotient;
    column += step;
    if (column != last) {
        WholeSteps steps(first.remainder, subpixels * height, width);
        for (; column != last; column += step) {
            const int part = steps.next();
            grid.add(column, row, part, subpixels * part);
            rest -= part;
        }
    }
    grid.add(column, row, rest, (x2 + subpixels - leaving) * rest);
}

/// The directed edge from `a` to `b`.
template <class Grid>
constexpr void add_edge(const Grid& grid, GridPoint a, GridPoint b) {
    int row = a.y >> 8;
    const int last = b.y >> 8;
    const int y1 = a.y & 255;
    const int y2 = b.y & 255;
    if (row == last) return add_within_row(grid, row, a.x, y1, b.x, y2);
    const bool is_down = b.y > a.y;
    const int step = is_down ? 1 : -1;
    const int leaving = is_down ? subpixels : 0;  // y where it leaves a row
    const int entering = subpixels - leaving;
    const int dx = b.x - a.x;
    if (dx == 0) {
        const int column = a.x >> 8;
        const int twice_x = 2 * (a.x & 255);
        grid.add(column, row, leaving - y1, twice_x * (leaving - y1));
        const int whole = leaving - entering;
        for (row += step; row != last; row += step) grid.add(column, row, whole, twice_x * whole);
        grid.add(column, row, y2 - entering, twice_x * (y2 - entering));
        return;
    }
    const int height = is_down ? b.y - a.y : a.y - b.y;
    const FloorDivision first((is_down ? subpixels - y1 : y1) * dx, height);
    int x = a.x + first.quotient;
    add_within_row(grid, row, a.x, y1, x, leaving);
    row += step;
    if (row != last) {
        WholeSteps steps(first.remainder, subpixels * dx, height);
        for (; row != last; row += step) {
            const int next = x + steps.next();
            add_within_row(grid, row, x, entering, next, leaving);
            x = next;
        }
    }
    add_within_row(grid, row, x, entering, b.x, y2);
}

/// 0..255 for a pixel with this sum of cover from the left, itself included, and this area.
constexpr std::uint32_t coverage(std::uint32_t cover, std::int32_t area) {
    // Wraps where thousands of strokes lie on one pixel, on every device alike.
    const std::uint32_t twice = cover * (2 * subpixels) - static_cast<std::uint32_t>(area);
    const std::int32_t share = static_cast<std::int32_t>(twice) >> 9;
    const std::uint32_t size = share < 0 ? 0U - static_cast<std::uint32_t>(share)
                                         : static_cast<std::uint32_t>(share);
    return size < 255 ? size : 255;
}

/// A line's colour.
struct Ink {
    std::uint32_t levels[3];  // red, green, blue
    std::uint32_t opacity;    // 0..255
};

/// matplotlib's first default colour.
inline constexpr Ink simple_ink = {{31, 119, 180}, 255};
inline constexpr int overlap_parts = 3;
/// red, green (half as bright) and blue, alpha 0.5.
inline constexpr Ink overlap_inks[overlap_parts] = {
    {{255, 0, 0}, 128}, {{0, 128, 0}, 128}, {{0, 0, 255}, 128}};

/// A channel of the opaque level `under` below ink of this level, opacity and coverage.
constexpr std::uint32_t blended(std::uint32_t under, std::uint32_t level, std::uint32_t opacity,
                                std::uint32_t covered) {
    const std::uint32_t product = opacity * covered + 128;
    const std::uint32_t alpha = ((product >> 8) + product) >> 8;  // opacity * covered / 255
    if (alpha == 0) return under;
    if (alpha == 255) return level;
    const std::uint32_t below = 255 * under;
    return ((256 * level - below) * alpha + 256 * below) / (65280 + alpha);
}

}  // namespace balmer::render::line_plot
