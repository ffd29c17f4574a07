#pragma once
// Edges into cells, many at a time: the sums of cells.h, in passes that hardly branch. For the CPU.

#include <array>
#include <cstddef>
#include <cstdint>

#include "render/line_plot/cells.h"
#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {

/// Adds edges to the cells of an image, when there are many of them and by `finish`.
class Edges {
  public:
    /// Of side * side sums, and one more that takes what belongs nowhere.
    Edges(CellSum* cells, int side) : inner_{{cells}, side} {}

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
        CellSum* cells;
        void add(int cell, CellSum sum) const { cells[cell] += sum; }
    };
    using Grid = InnerCellGrid<Sink>;

    static constexpr std::size_t most_edges = 64;
    static constexpr int most_rows = 64;  ///< of an edge that is cut

    template <class T>
    using OfEdges = std::array<T, most_edges>;

    /// What `cut` needs of each edge: x where it leaves row k is floor((start + 256 k) * slope)
    /// right of where it begins.
    struct Cuts {
        OfEdges<int> rows;  ///< 0: it is not cut
        OfEdges<int> is_inside;
        OfEdges<int> cell;  ///< the first of its first row
        OfEdges<int> step;  ///< from row to row, in cells
        OfEdges<int> first_height;
        OfEdges<int> middle_height;
        OfEdges<int> last_height;
        OfEdges<double> start;
        OfEdges<double> slope;
    };

    /// Pieces of edges, of one row each.
    struct Pieces {
        static constexpr int capacity = 1024;
        using Column = std::array<int, capacity + 2 * lanes>;  // lanes reach beyond the last one

        int count = 0;
        Column from;  ///< x
        Column to;
        Column height;
        Column cell;  ///< the first of the row
    };

    template <std::size_t size>
    static std::size_t indices_of(const std::array<int, size>& is_chosen, std::size_t count,
                                  std::array<int, size>& indices);
    void prepare();
    void cut(std::size_t edge);
    void add_pieces();
    void add_wide_pieces(const std::array<int, Pieces::capacity>& wide, std::size_t count);

    Grid inner_;
    std::size_t count_ = 0;
    GridPoints<most_edges> from_;
    GridPoints<most_edges> to_;
    Cuts cuts_;
    Pieces pieces_;
};

/// The i with is_chosen[i] = 1; returns how many.
template <std::size_t size>
std::size_t Edges::indices_of(const std::array<int, size>& is_chosen, std::size_t count,
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
    const int side = inner_.side;
    const auto end = static_cast<unsigned>(side * subpixels);
    for (std::size_t i = 0; i < count; ++i) {
        const GridPoint a = from[i];
        const GridPoint b = to[i];
        const bool is_short = (((a.x ^ b.x) | (a.y ^ b.y)) >> 8 == 0) &
                              (static_cast<unsigned>(a.x) < end) &
                              (static_cast<unsigned>(a.y) < end);
        const int height = b.y - a.y;
        cells[i] = is_short ? (a.y >> 8) * side + (a.x >> 8) : side * side;
        sums[i] = cell_sum(height, ((a.x & 255) + (b.x & 255)) * height);
        is_long[i] = is_short ? 0 : 1;
    }
    for (std::size_t i = 0; i < count; ++i) inner_.sink.add(cells[i], sums[i]);
    std::array<int, most> rest;
    const std::size_t left = indices_of(is_long, count, rest);
    for (std::size_t k = 0; k < left; ++k) add(from[rest[k]], to[rest[k]]);
}

}  // namespace balmer::render::line_plot
