#pragma once
// Edges into cells, many at a time: the sums of cells.h, in passes that hardly branch. For the CPU.
//
// Most edges keep to one column, through any number of rows; most others to one row, through two
// columns. Nearly all of the rest go from one column into the next one within one row, so that they
// are a level edge and up to two upright ones.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "render/line_plot/cell_columns.h"
#include "render/line_plot/cells.h"
#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {

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

    static constexpr std::size_t most_edges = 64;
    template <class T>
    using OfEdges = std::array<T, most_edges>;

    /// Edges within one row.
    struct Level {
        std::size_t count = 0;
        OfEdges<int> row;
        OfEdges<int> from;  ///< x
        OfEdges<int> to;
        OfEdges<int> height;
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

        /// All but slope and offset; top < bottom, or `blocks` means nothing. Returns the y that
        /// its rows count from.
        int set(std::size_t i, int column, int top_y, int bottom_y, int direction) {
            const int first_row = (top_y >> 8) & -lanes;
            const int origin = first_row * subpixels;
            first_cell[i] = column + first_row;
            blocks[i] = (((bottom_y - 1) >> 8) - first_row) / lanes + 1;
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
    void split(const OfEdges<int>& edges, std::size_t count);
    void add_level();
    void add_upright();
    void add_blocks(std::span<const Block> blocks);

    Sink sink_;
    int side_;
    int nowhere_;
    std::size_t count_ = 0;
    GridPoints<most_edges> from_;
    GridPoints<most_edges> to_;
    OfEdges<int> is_level_;
    OfEdges<int> is_other_;
    Level level_;
    Upright upright_;
};

/// The i with is_chosen[i] = 1; returns how many.
template <std::size_t size>
std::size_t indices_of(const std::array<int, size>& is_chosen, std::size_t count,
                       std::array<int, size>& indices) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
        indices[found] = static_cast<int>(i);
        found += static_cast<std::size_t>(is_chosen[i]);
    }
    return found;
}

template <std::size_t most>
void Edges::add_short(const GridPoints<most>& from, const GridPoints<most>& to, std::size_t count) {
    std::array<int, most> cells;
    std::array<CellSum, most> sums;
    std::array<int, most> is_long;
    for (std::size_t i = 0; i < count; ++i) {
        const GridPoint a = from[i];
        const GridPoint b = to[i];
        const bool is_short = (((a.x ^ b.x) | (a.y ^ b.y)) >> 8 == 0) & is_inside(a);
        const int height = b.y - a.y;
        cells[i] = is_short ? (a.x >> 8) * sink_.stride + (a.y >> 8) : nowhere_;
        sums[i] = cell_sum(height, ((a.x & 255) + (b.x & 255)) * height);
        is_long[i] = is_short ? 0 : 1;
    }
    for (std::size_t i = 0; i < count; ++i) sink_.add(cells[i], sums[i]);
    std::array<int, most> rest;
    const std::size_t left = indices_of(is_long, count, rest);
    for (std::size_t k = 0; k < left; ++k) add(from[rest[k]], to[rest[k]]);
}

}  // namespace balmer::render::line_plot
