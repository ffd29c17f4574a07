#pragma once
// The cells of an image, column by column: a line goes from left to right, and its edges mostly up
// or down, so that what is added one after another lies side by side. For the CPU.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "render/line_plot/cells.h"
#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {

/// How far a polygon covers the pixels of an image, in tiles of `group` x `group` pixels.
struct Coverage {
    /// Row by row; the pixels of a row in one word, a byte each.
    using Tile = std::array<std::uint64_t, group>;

    /// Row by row; what stands for a blank one means nothing.
    std::vector<Tile> tiles;
    std::vector<std::uint8_t> is_blank;
};

class CellColumns {
  public:
    /// Of an image side x side; rows and columns go beyond it to a multiple of `group`.
    explicit CellColumns(int side)
        : side_(side),
          stride_((side + group - 1) / group * group),
          lines_(static_cast<std::size_t>(stride_) * stride_ / group + 1) {}

    int side() const { return side_; }
    /// Cells from one column to the next.
    int stride() const { return stride_; }
    /// A cell of no pixel.
    int nowhere() const { return stride_ * stride_; }
    CellSum* sums() { return lines_.data()->data(); }

    /// Tiles a side.
    int tiles() const { return stride_ / group; }

    /// Works out how far the polygon covers each pixel; forgets the polygon.
    void cover(Coverage& coverage);

  private:
    int side_;
    int stride_;
    struct alignas(group * sizeof(CellSum)) Line : std::array<CellSum, group> {};
    std::vector<Line> lines_;
};

}  // namespace balmer::render::line_plot
