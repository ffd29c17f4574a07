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

/// The cells of one image side x side, for edges anywhere. `Sink` has add(row, column, sum), which
/// adds to the sum of a cell.
template <class Sink>
struct CellGrid {
    Sink sink;
    int side;

    struct Row {
        Sink sink;
        int side;
        int y;

        constexpr void move(int rows) { y += rows; }
        /// What lies left of the image counts as its left edge; what lies elsewhere outside has no
        /// effect on it.
        constexpr void add(int column, int cover, int area) const {
            if (y < 0 || y >= side || column >= side) return;
            const bool is_left = column < 0;
            sink.add(y, is_left ? 0 : column, cell_sum(cover, is_left ? 0 : area));
        }
    };

    constexpr Row row(int y) const { return {sink, side, y}; }
};

/// The whole numbers floor((first + 256 k) * rise / run) for k = 0, 1, ..., |rise| < 2^23,
/// 0 < run < 2^23, in fixed point. They are exact: a fraction lies 0 or at least 1 / run > 2^-23
/// above a whole number, and 2^-24 is added to it; rounding, 2^-40 a step at most and 2^-51 of the
/// result for the slope, stays below 2^-25 over 2^14 steps.
class WholeSteps {
  public:
    constexpr WholeSteps(int first, int rise, int run)
        : slope_(one / run * rise), position_(static_cast<std::int64_t>(first * slope_) + bias) {}

    constexpr int current() const { return static_cast<int>(position_ >> fraction_bits); }
    /// To be called before `next`, where 256 * rise / run < 2^23.
    constexpr void prepare() { each_ = static_cast<std::int64_t>(subpixels * slope_); }
    constexpr int next() {
        position_ += each_;
        return current();
    }

  private:
    static constexpr int fraction_bits = 40;
    static constexpr double one = static_cast<double>(std::int64_t{1} << fraction_bits);
    static constexpr std::int64_t bias = std::int64_t{1} << (fraction_bits - 24);

    double slope_;
    std::int64_t position_;
    std::int64_t each_ = 0;
};

/// As add_within_row, over two columns or more.
template <class Row>
constexpr void add_over_columns(const Row& row, int from, int to, int height) {
    int column = from >> 8;
    const int last = to >> 8;
    const int x1 = from & 255;
    const int x2 = to & 255;
    const bool is_right = to > from;
    const int step = is_right ? 1 : -1;
    const int leaving = is_right ? subpixels : 0;  // x where it leaves a column
    WholeSteps steps(is_right ? subpixels - x1 : x1, height, is_right ? to - from : from - to);
    int reached = steps.current();  // of the height
    row.add(column, reached, (x1 + leaving) * reached);
    column += step;
    if (column != last) {
        steps.prepare();
        for (; column != last; column += step) {
            const int part = steps.next() - reached;
            row.add(column, part, subpixels * part);
            reached += part;
        }
    }
    row.add(column, height - reached, (x2 + subpixels - leaving) * (height - reached));
}

/// The piece of an edge within one row, from x = from to x = to, `height` (-256..256) downwards.
template <class Row>
constexpr void add_within_row(const Row& row, int from, int to, int height) {
    if (height == 0) return;
    const int column = from >> 8;
    if (column != to >> 8) [[unlikely]] {  // in steep lines, and those are the costly ones
        return add_over_columns(row, from, to, height);
    }
    row.add(column, height, ((from & 255) + (to & 255)) * height);
}

/// The directed edge from `a` to `b`, over two rows or more.
template <class Grid>
constexpr void add_over_rows(const Grid& grid, GridPoint a, GridPoint b) {
    const bool is_down = b.y > a.y;
    const int step = is_down ? 1 : -1;
    const int height = is_down ? b.y - a.y : a.y - b.y;
    const int whole = is_down ? subpixels : -subpixels;  // of a row
    const int leaving = is_down ? subpixels : 0;         // y where it leaves a row
    const int first_height = leaving - (a.y & 255);
    const int last_height = (b.y & 255) - (subpixels - leaving);
    WholeSteps steps(is_down ? first_height : -first_height, b.x - a.x, height);
    int x = a.x + steps.current();
    auto row = grid.row(a.y >> 8);
    add_within_row(row, a.x, x, first_height);
    row.move(step);
    int whole_rows = ((b.y >> 8) - (a.y >> 8)) * step - 1;
    if (whole_rows > 0) {
        steps.prepare();
        for (; whole_rows > 0; --whole_rows) {
            const int next = a.x + steps.next();
            add_within_row(row, x, next, whole);
            row.move(step);
            x = next;
        }
    }
    add_within_row(row, x, b.x, last_height);
}

/// The directed edge from `a` to `b`.
template <class Grid>
constexpr void add_edge(const Grid& grid, GridPoint a, GridPoint b) {
    const int y = a.y >> 8;
    if (y != b.y >> 8) return add_over_rows(grid, a, b);
    add_within_row(grid.row(y), a.x, b.x, b.y - a.y);
}

/// 0..255 for a pixel with this sum of cover from the left, itself included, and this area.
constexpr std::uint32_t coverage(std::uint32_t cover, std::int32_t area) {
    // Wraps where thousands of strokes lie on one pixel, on every device alike.
    const std::uint32_t twice = cover * (2 * subpixels) - static_cast<std::uint32_t>(area);
    const std::int32_t share = static_cast<std::int32_t>(twice) >> 9;
    const std::uint32_t size =
        share < 0 ? 0U - static_cast<std::uint32_t>(share) : static_cast<std::uint32_t>(share);
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

/// Of ink with this opacity on a pixel that it covers so far, 0..255. `Level`: std::uint32_t, or
/// several at a time.
template <class Level>
constexpr Level alpha_of(std::uint32_t opacity, Level covered) {
    const Level product = opacity * covered + 128;
    return ((product >> 8) + product) >> 8;  // opacity * covered / 255
}

inline constexpr std::uint32_t opaque = 65280;

/// What is to be divided by opaque + alpha, for a channel of the opaque level `under` below ink of
/// this level.
template <class Level>
constexpr Level blended_dividend(Level under, std::uint32_t level, Level alpha) {
    const Level below = 255 * under;
    return (256 * level - below) * alpha + 256 * below;
}

/// A channel of the opaque level `under` below ink of this level, opacity and coverage.
constexpr std::uint32_t blended(std::uint32_t under, std::uint32_t level, std::uint32_t opacity,
                                std::uint32_t covered) {
    const std::uint32_t alpha = alpha_of(opacity, covered);
    if (alpha == 0) return under;
    if (alpha == 255) return level;
    return blended_dividend(under, level, alpha) / (opaque + alpha);
}

}  // namespace balmer::render::line_plot
