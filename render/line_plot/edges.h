#pragma once
// Edges into cells, many at a time: the sums of cells.h, in passes that hardly branch. For the CPU.
//
// Most edges keep to one column, through any number of rows; most others to one row, through two
// columns. Nearly all of the rest go from one column into the next one within one row, so that they
// are a level edge and up to two upright ones.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "render/line_plot/cell_columns.h"
#include "render/line_plot/cells.h"
#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {

/// What holds of up to 64 edges, 1 or 0 each.
struct Flags {
    static constexpr std::size_t capacity = 64;

    std::array<int, capacity> of;

    /// Calls body(i) for those of the first `count` that are 1, in an order of its own.
    template <class Body>
    void for_each(std::size_t count, const Body& body) {
        std::fill(of.begin() + count, of.end(), 0);
        constexpr std::size_t rows = capacity / group;
        Words bits_of_columns{};
        for (std::size_t row = 0; row < rows; ++row) {
            bits_of_columns |= load<Words>(&of[row * group]) << static_cast<unsigned>(row);
        }
        std::uint64_t bits = 0;
        for (int column = 0; column < group; ++column) {
            bits |= std::uint64_t{bits_of_columns[column]} << column * rows;
        }
        for (; bits != 0; bits &= bits - 1) {  // each time without its last 1
            const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
            body(bit % rows * group + bit / rows);
        }
    }
};

/// The next multiple of `group`: loops over so many have no rest of single steps, which would cost
/// as much as all others.
constexpr std::size_t padded(std::size_t count) {
    return (count + group - 1) & -std::size_t{group};
}

/// Adds edges to the cells of an image, when there are many of them and by `finish`.
class Edges {
  public:
    explicit Edges(CellColumns& cells)
        : sink_{cells.sums(), cells.stride()}, side_(cells.side()), nowhere_(cells.nowhere()) {}

    void add(GridPoint a, GridPoint b) {
        if (count_ == most_edges) finish();
        from_.set(count_, a);
        to_.set(count_, b);
        ++count_;
    }

    /// Edges from points `from` to points `to`, most of them within one cell.
    template <std::size_t most>
    void add_short(const GridPoints<most>& from, const GridPoints<most>& to, std::size_t count);

    void finish();

  private:
    struct Sink {
        CellSum* sums;
        int stride;
        void add(int cell, CellSum sum) const { sums[cell] += sum; }
        void add(int row, int column, CellSum sum) const { add(column * stride + row, sum); }
    };

    static constexpr std::size_t most_edges = Flags::capacity;
    template <class T>
    using OfEdges = std::array<T, most_edges>;

    /// Edges within one row.
    struct Level {
        std::size_t count = 0;
        template <class T>
        using Column = std::array<T, most_edges + group>;

        Column<int> row;
        Column<int> from;  ///< x
        Column<int> to;
        Column<int> height;

        void set(std::size_t i, int y, int from_x, int to_x, int rise) {
            row[i] = y;
            from[i] = from_x;
            to[i] = to_x;
            height[i] = rise;
        }
    };

    /// Edges within one column. Their rows are taken in blocks of `lanes`; y counts from the first
    /// block on.
    struct Upright {
        template <class T>
        using Column = std::array<T, 3 * most_edges>;

        std::size_t count = 0;
        Column<int> first_cell;
        Column<int> blocks;
        Column<double> top;
        Column<double> bottom;
        Column<double> sign;   ///< 1: downwards, -1: upwards
        Column<double> slope;  ///< x is floor(slope * y + offset) from the column's left side
        Column<double> offset;

        /// All but slope and offset; no block where it is not `used` or has no height. Returns the
        /// y that its rows count from.
        int set(std::size_t i, bool used, int column, int top_y, int bottom_y, int direction) {
            const int first_row = (top_y >> 8) & -lanes;
            const int origin = first_row * subpixels;
            first_cell[i] = column + first_row;
            const int all = (((bottom_y - 1) >> 8) - first_row) / lanes + 1;
            blocks[i] = used & (top_y < bottom_y) ? all : 0;
            top[i] = top_y - origin;
            bottom[i] = bottom_y - origin;
            sign[i] = direction;
            return origin;
        }
    };

    /// An edge of Upright, and in the upper half how many of its blocks lie above.
    using Block = std::int64_t;
    /// More than one edge has: images have 4096 rows at most.
    static constexpr std::size_t most_blocks = 2048;

    bool is_inside(GridPoint point) const {
        const auto end = static_cast<unsigned>(side_ * subpixels);
        return (static_cast<unsigned>(point.x) < end) & (static_cast<unsigned>(point.y) < end);
    }
    void sort();
    void split();
    void add_level();
    void add_upright();
    void add_blocks(std::span<const Block> blocks);

    Sink sink_;
    int side_;
    int nowhere_;
    std::size_t count_ = 0;
    GridPoints<most_edges> from_;
    GridPoints<most_edges> to_;
    Flags is_level_;
    Flags is_other_;
    Level level_;
    Upright upright_;
};

template <std::size_t most>
void Edges::add_short(const GridPoints<most>& from, const GridPoints<most>& to, std::size_t count) {
    std::array<int, most> cells;
    std::array<CellSum, most> sums;
    static_assert(most <= Flags::capacity);
    Flags is_long;
    for (std::size_t i = 0; i < count; ++i) {
        const GridPoint a = from[i];
        const GridPoint b = to[i];
        const bool is_short = (((a.x ^ b.x) | (a.y ^ b.y)) >> 8 == 0) & is_inside(a);
        const int height = b.y - a.y;
        cells[i] = is_short ? (a.x >> 8) * sink_.stride + (a.y >> 8) : nowhere_;
        sums[i] = cell_sum(height, ((a.x & 255) + (b.x & 255)) * height);
        is_long.of[i] = is_short ? 0 : 1;
    }
    for (std::size_t i = 0; i < count; ++i) sink_.add(cells[i], sums[i]);
    is_long.for_each(count, [&](std::size_t i) { add(from[i], to[i]); });
}

}  // namespace balmer::render::line_plot
