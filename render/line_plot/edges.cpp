#include "render/line_plot/edges.h"

namespace balmer::render::line_plot {

void Edges::finish() {
    prepare();
    for (std::size_t i = 0; i < count_; ++i) {
        if (cuts_.rows[i] > 0) [[likely]] {
            cut(i);
        } else if (cuts_.is_inside[i] != 0) {
            add_edge(inner_, from_[i], to_[i]);
        } else {
            add_edge(CellGrid<Sink>{inner_.sink, inner_.side}, from_[i], to_[i]);
        }
    }
    add_pieces();
    count_ = 0;
}

/// As add_over_rows and, for one row, add_edge do.
void Edges::prepare() {
    const int side = inner_.side;
    const auto end = static_cast<unsigned>(side * subpixels);
    for (std::size_t i = 0; i < count_; ++i) {
        const GridPoint a = from_[i];
        const GridPoint b = to_[i];
        const bool is_inside =
            (static_cast<unsigned>(a.x) < end) & (static_cast<unsigned>(a.y) < end) &
            (static_cast<unsigned>(b.x) < end) & (static_cast<unsigned>(b.y) < end);
        const bool is_down = b.y > a.y;
        const int sign = is_down ? 1 : -1;
        const int rows = ((b.y >> 8) - (a.y >> 8)) * sign + 1;
        const bool is_one = rows == 1;
        const int height = b.y - a.y;
        const int leaving = is_down ? subpixels : 0;  // y where it leaves a row
        const int first_height = leaving - (a.y & 255);
        cuts_.rows[i] = is_inside & (rows <= most_rows) ? rows : 0;
        cuts_.is_inside[i] = is_inside ? 1 : 0;
        cuts_.cell[i] = (a.y >> 8) * side;
        cuts_.step[i] = side * sign;
        cuts_.first_height[i] = is_one ? height : first_height;
        cuts_.middle_height[i] = subpixels * sign;
        cuts_.last_height[i] = is_one ? height : (b.y & 255) - (subpixels - leaving);
        cuts_.start[i] = first_height * sign;
        cuts_.slope[i] = static_cast<double>(b.x - a.x) / (is_one ? 1 : height * sign);
    }
}

void Edges::cut(std::size_t edge) {
    const int rows = cuts_.rows[edge];
    if (pieces_.count + rows > Pieces::capacity) [[unlikely]]
        add_pieces();
    const int first = pieces_.count;
    const int last = first + rows - 1;
    const int x = from_.x[edge];
    const int step = cuts_.step[edge];
    const double slope = cuts_.slope[edge];
    Doubles y = cuts_.start[edge] + Doubles{0, 256, 512, 768};
    Integers cell = cuts_.cell[edge] + Integers{0, step, 2 * step, 3 * step};
    const Integers height = cuts_.middle_height[edge] - Integers{};
    for (int i = first; i <= last; i += lanes) {
        const Integers reached = x + whole_number(y * slope);
        store(reached, &pieces_.from[i + 1]);
        store(reached, &pieces_.to[i]);
        store(height, &pieces_.height[i]);
        store(cell, &pieces_.cell[i]);
        y += lanes * subpixels;
        cell += lanes * step;
    }
    pieces_.from[first] = x;
    pieces_.to[last] = to_.x[edge];
    pieces_.height[first] = cuts_.first_height[edge];
    pieces_.height[last] = cuts_.last_height[edge];
    pieces_.count += rows;
}

void Edges::add_pieces() {
    const Pieces& pieces = pieces_;
    std::array<int, Pieces::capacity> cells;
    std::array<CellSum, Pieces::capacity> sums;
    std::array<int, Pieces::capacity> is_wide;
    std::array<int, Pieces::capacity> wide;
    const auto count = static_cast<std::size_t>(pieces.count);
    const int nowhere = inner_.side * inner_.side;
    for (std::size_t i = 0; i < count; ++i) {
        const int from = pieces.from[i];
        const int to = pieces.to[i];
        const bool is_column = from >> 8 == to >> 8;
        cells[i] = is_column ? pieces.cell[i] + (from >> 8) : nowhere;
        sums[i] = cell_sum(pieces.height[i], ((from & 255) + (to & 255)) * pieces.height[i]);
        is_wide[i] = is_column ? 0 : 1;
    }
    for (std::size_t i = 0; i < count; ++i) inner_.sink.add(cells[i], sums[i]);
    add_wide_pieces(wide, indices_of(is_wide, count, wide));
    pieces_.count = 0;
}

/// As add_over_columns; most go over two.
void Edges::add_wide_pieces(const std::array<int, Pieces::capacity>& wide, std::size_t count) {
    std::array<int, Pieces::capacity> first;
    std::array<int, Pieces::capacity> second;
    std::array<CellSum, Pieces::capacity> first_sums;
    std::array<CellSum, Pieces::capacity> second_sums;
    std::array<int, Pieces::capacity> is_wider;
    std::array<int, Pieces::capacity> wider;
    for (std::size_t k = 0; k < count; ++k) {
        const int i = wide[k];
        const int from = pieces_.from[i];
        const int to = pieces_.to[i];
        const int height = pieces_.height[i];
        const bool is_right = to > from;
        const int sign = is_right ? 1 : -1;
        const int leaving = is_right ? subpixels : 0;  // x where it leaves a column
        const int x1 = from & 255;
        const int x2 = to & 255;
        const int width = is_right ? subpixels - x1 : x1;
        const double share =
            static_cast<double>(width * height) / static_cast<double>((to - from) * sign);
        const int reached = static_cast<int>(std::floor(share + whole_number_bias));
        const int rest = height - reached;
        const bool is_two = (to >> 8) - (from >> 8) == sign;
        first[k] = pieces_.cell[i] + (from >> 8);
        second[k] = first[k] + sign;
        first_sums[k] = is_two ? cell_sum(reached, (x1 + leaving) * reached) : 0;
        second_sums[k] = is_two ? cell_sum(rest, (x2 + subpixels - leaving) * rest) : 0;
        is_wider[k] = is_two ? 0 : 1;
    }
    for (std::size_t k = 0; k < count; ++k) {
        inner_.sink.add(first[k], first_sums[k]);
        inner_.sink.add(second[k], second_sums[k]);
    }
    const std::size_t left = indices_of(is_wider, count, wider);
    for (std::size_t k = 0; k < left; ++k) {
        const int i = wide[wider[k]];
        add_within_row(Grid::Row{inner_.sink, inner_.side, pieces_.cell[i]}, pieces_.from[i],
                       pieces_.to[i], pieces_.height[i]);
    }
}

}  // namespace balmer::render::line_plot
