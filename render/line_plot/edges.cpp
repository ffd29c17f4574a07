#include "render/line_plot/edges.h"

#include <algorithm>
#include <cmath>

namespace balmer::render::line_plot {
namespace {

/// Makes floor exact for x within an edge, k / run in 1/256 pixel with k a whole number: it is
/// worked out to 2^-31, and lies 0 or, run being below 2^21, at least 2^-21 above a whole number.
constexpr double whole_number_bias = 0x1p-24;

int whole_number(double x) {
    return static_cast<int>(std::floor(x + whole_number_bias));
}

}  // namespace

void Edges::finish() {
    sort();
    level_.count = 0;
    is_level_.for_each(count_, [&](std::size_t i) {
        const int height = to_.y[i] - from_.y[i];
        level_.set(level_.count++, from_.y[i] >> 8, from_.x[i], to_.x[i], height);
    });
    split();
    add_level();
    add_upright();
    count_ = 0;
}

/// Finds the kind of every edge, and puts all into upright_, without a block what is of another.
void Edges::sort() {
    const int stride = sink_.stride;
    const std::size_t count = padded(count_);
    for (std::size_t i = count_; i < count; ++i) {
        from_.set(i, GridPoint{});
        to_.set(i, GridPoint{});
    }
    Upright& upright = upright_;
    upright.count = count_;
    for (std::size_t i = 0; i < count; ++i) {
        const GridPoint a = from_[i];
        const GridPoint b = to_[i];
        const bool are_inside = is_inside(a) & is_inside(b);
        const bool is_upright = are_inside & (a.x >> 8 == b.x >> 8);
        const bool is_level = are_inside & (a.y >> 8 == b.y >> 8);
        const bool is_down = b.y > a.y;
        const int top = is_down ? a.y : b.y;
        const int bottom = is_down ? b.y : a.y;
        is_level_.of[i] = is_level & !is_upright ? 1 : 0;
        is_other_.of[i] = is_level | is_upright ? 0 : 1;
        upright.set(i, is_upright, (a.x >> 8) * stride, top, bottom, is_down ? 1 : -1);
    }
    for (std::size_t i = 0; i < count; ++i) {
        const int height = to_.y[i] - from_.y[i];
        const int width = to_.x[i] - from_.x[i];
        const int top_x = (height > 0 ? from_.x[i] : to_.x[i]) & 255;
        const double slope = static_cast<double>(width) / static_cast<double>(height);
        upright.slope[i] = slope;
        upright.offset[i] = top_x - upright.top[i] * slope + whole_number_bias;
    }
}

/// Edges that are neither level nor upright.
void Edges::split() {
    struct {
        OfEdges<int> top_x, top_y, bottom_x, bottom_y, sign;
        OfEdges<int> row;             // where it goes from one column into the other
        OfEdges<int> above, below;    // y where it enters and leaves that row
        OfEdges<int> enters, leaves;  // x there
        OfEdges<int> start, rows;     // of a piece: x, and y, of the edge's
        OfEdges<int> is_found;
        OfEdges<double> slope;
    } of;
    const int stride = sink_.stride;
    std::size_t count = 0;
    is_other_.for_each(count_, [&](std::size_t i) {
        const std::size_t k = count++;
        const GridPoint a = from_[i];
        const GridPoint b = to_[i];
        const bool is_down = b.y > a.y;
        of.top_x[k] = is_down ? a.x : b.x;
        of.top_y[k] = is_down ? a.y : b.y;
        of.bottom_x[k] = is_down ? b.x : a.x;
        of.bottom_y[k] = is_down ? b.y : a.y;
        of.sign[k] = is_down ? 1 : -1;
    });
    const std::size_t all = padded(count);
    for (std::size_t k = count; k < all; ++k) {  // are not found
        of.top_x[k] = of.top_y[k] = of.bottom_x[k] = of.bottom_y[k] = -1;
        of.sign[k] = 1;
    }
    for (std::size_t k = 0; k < all; ++k) {
        const int top_x = of.top_x[k];
        const int top_y = of.top_y[k];
        const int bottom_x = of.bottom_x[k];
        const int bottom_y = of.bottom_y[k];
        const int first = top_x >> 8;
        const int last = bottom_x >> 8;
        const bool is_found = is_inside({top_x, top_y}) & is_inside({bottom_x, bottom_y}) &
                              ((last - first == 1) | (first - last == 1));
        const int width = is_found ? bottom_x - top_x : 1;
        const int height = is_found ? bottom_y - top_y : 1;
        const double slope = static_cast<double>(width) / static_cast<double>(height);
        const int border = (last > first ? last : first) * subpixels;
        const int way = is_found ? border - top_x : 0;
        const int row = (top_y + static_cast<int>(way / slope)) >> 8;
        const int row_top = row * subpixels;
        const int row_bottom = row_top + subpixels;
        const int above = row_top > top_y ? row_top : top_y;
        const int below = row_bottom < bottom_y ? row_bottom : bottom_y;
        const int enters = top_x + whole_number((above - top_y) * slope);
        const int leaves = top_x + whole_number((below - top_y) * slope);
        of.slope[k] = slope;
        of.row[k] = row;
        of.above[k] = above;
        of.below[k] = below;
        of.enters[k] = enters;
        of.leaves[k] = leaves;
        of.is_found[k] = is_found & (enters >> 8 == first) & (leaves >> 8 == last) ? 1 : 0;
    }
    for (std::size_t k = 0; k < all; ++k) {
        // What is not found becomes a level edge of no height.
        const bool is_found = of.is_found[k] != 0;
        const bool is_down = of.sign[k] > 0;
        const std::size_t place = level_.count + k;
        const int from = is_down ? of.enters[k] : of.leaves[k];
        const int to = is_down ? of.leaves[k] : of.enters[k];
        const int height = (of.below[k] - of.above[k]) * of.sign[k];
        level_.set(place, is_found ? of.row[k] : 0, is_found ? from : 0, is_found ? to : subpixels,
                   is_found ? height : 0);
    }
    level_.count += count;
    const auto set_pieces = [&](std::size_t first, const OfEdges<int>& x, const OfEdges<int>& top,
                                const OfEdges<int>& bottom) {
        Upright& upright = upright_;
        for (std::size_t k = 0; k < all; ++k) {
            const int column = x[k] >> 8;
            const int origin = upright.set(first + k, of.is_found[k] != 0, column * stride, top[k],
                                           bottom[k], of.sign[k]);
            of.start[k] = of.top_x[k] - column * subpixels;
            of.rows[k] = origin - of.top_y[k];
        }
        for (std::size_t k = 0; k < all; ++k) {
            upright.slope[first + k] = of.slope[k];
            upright.offset[first + k] = of.start[k] + of.rows[k] * of.slope[k] + whole_number_bias;
        }
    };
    set_pieces(upright_.count, of.top_x, of.top_y, of.above);
    set_pieces(upright_.count + all, of.bottom_x, of.below, of.bottom_y);
    upright_.count += 2 * all;
    for (std::size_t k = 0; k < count; ++k) {
        if (of.is_found[k] != 0) [[likely]]
            continue;
        const GridPoint top = {of.top_x[k], of.top_y[k]};
        const GridPoint bottom = {of.bottom_x[k], of.bottom_y[k]};
        const bool is_down = of.sign[k] > 0;
        add_edge(CellGrid<Sink>{sink_, side_}, is_down ? top : bottom, is_down ? bottom : top);
    }
}

/// As add_over_columns does; most go over two columns.
void Edges::add_level() {
    OfEdges<int> first;
    OfEdges<int> second;
    OfEdges<CellSum> first_sums;
    OfEdges<CellSum> second_sums;
    Flags is_wider;
    const std::size_t count = level_.count;
    const std::size_t all = padded(count);
    const int stride = sink_.stride;
    for (std::size_t k = count; k < all; ++k) level_.set(k, 0, 0, subpixels, 0);
    for (std::size_t k = 0; k < all; ++k) {
        const int from = level_.from[k];
        const int to = level_.to[k];
        const int height = level_.height[k];
        const bool is_right = to > from;
        const int sign = is_right ? 1 : -1;
        const int leaving = is_right ? subpixels : 0;  // x where it leaves a column
        const int x1 = from & 255;
        const int x2 = to & 255;
        const int width = is_right ? subpixels - x1 : x1;
        const int reached = whole_number(static_cast<double>(width * height) /
                                         static_cast<double>((to - from) * sign));
        const int rest = height - reached;
        const bool is_two = (to >> 8) - (from >> 8) == sign;
        first[k] = (from >> 8) * stride + level_.row[k];
        second[k] = first[k] + sign * stride;
        first_sums[k] = is_two ? cell_sum(reached, (x1 + leaving) * reached) : 0;
        second_sums[k] = is_two ? cell_sum(rest, (x2 + subpixels - leaving) * rest) : 0;
        is_wider.of[k] = is_two ? 0 : 1;
    }
    for (std::size_t k = 0; k < count; ++k) {
        sink_.add(first[k], first_sums[k]);
        sink_.add(second[k], second_sums[k]);
    }
    is_wider.for_each(count, [&](std::size_t k) {
        const CellGrid<Sink> grid{sink_, side_};
        add_within_row(grid.row(level_.row[k]), level_.from[k], level_.to[k], level_.height[k]);
    });
}

void Edges::add_upright() {
    constexpr std::size_t at_once = 2 * lanes;  // as many blocks as most edges have
    constexpr Integers64 above = {0, Block{1} << 32, Block{2} << 32, Block{3} << 32};
    std::array<Block, most_blocks> blocks;
    std::size_t count = 0;
    for (std::size_t i = 0; i < upright_.count; ++i) {
        const auto all = static_cast<std::size_t>(upright_.blocks[i]);
        if (count + all + at_once > most_blocks) [[unlikely]] {
            add_blocks({blocks.data(), count});
            count = 0;
        }
        const auto list = [&](std::size_t k) {
            store(static_cast<Block>(k << 32 | i) + above, &blocks[count + k]);
        };
        list(0);
        list(lanes);
        for (std::size_t k = at_once; k < all; k += lanes) [[unlikely]] list(k);
        count += all;
    }
    add_blocks({blocks.data(), count});
}

void Edges::add_blocks(std::span<const Block> blocks) {
    constexpr Doubles rows = {0, subpixels, 2 * subpixels, 3 * subpixels};
    // The bits of a whole number plus this one are those of this one plus the number.
    const Doubles magic = 0x1.8p52 + Doubles{};
    for (const Block block : blocks) {
        const std::size_t edge = block & 0xffffffff;
        const int row = static_cast<int>(block >> 32) * lanes;
        const Doubles top = upright_.top[edge] - Doubles{};
        const Doubles bottom = upright_.bottom[edge] - Doubles{};
        const Doubles slope = upright_.slope[edge] - Doubles{};
        const Doubles offset = upright_.offset[edge] - Doubles{};
        const Doubles y = static_cast<double>(subpixels * row) + rows;
        const Doubles above = greater(top, lesser(y, bottom));
        const Doubles below = greater(top, lesser(y + subpixels, bottom));
        const Doubles x1 = floors(product_plus(above, slope, offset));
        const Doubles x2 = floors(product_plus(below, slope, offset));
        // As cell_sum(height, (x1 + x2) * height).
        const Doubles height = (below - above) * upright_.sign[edge];
        const Doubles sum = product_plus(0x1p32 + (x1 + x2), height, magic);
        const auto bits = reinterpret_cast<Integers64>(sum) - reinterpret_cast<Integers64>(magic);
        CellSum* sums = sink_.sums + upright_.first_cell[edge] + row;
        store(load<Integers64>(sums) + bits, sums);
    }
}

}  // namespace balmer::render::line_plot
