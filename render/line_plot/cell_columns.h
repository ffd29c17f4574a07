#pragma once
// The cells of an image, column by column: a line goes from left to right, and its edges mostly up
// or down, so that what is added one after another lies side by side. For the CPU.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "render/line_plot/cells.h"

namespace balmer::render::line_plot {

class CellColumns {
  public:
    /// Rows and columns go beyond the image to a multiple of so many.
    static constexpr int group = 8;

    /// Of an image side x side.
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

    /// How far the polygon covers each pixel, row by row, [stride, stride]; forgets the polygon.
    void cover(std::uint8_t* covered);

  private:
    bool is_blank(int x, int y) const;

    int side_;
    int stride_;
    struct alignas(group * sizeof(CellSum)) Line : std::array<CellSum, group> {};
    std::vector<Line> lines_;
};

}  // namespace balmer::render::line_plot
