#pragma once
// The parts of a line plot drawn over each other, in tiles of pixels. For the CPU.

#include <span>
#include <vector>

#include "render/host_rows.h"
#include "render/line_plot/cell_columns.h"
#include "render/line_plot/cells.h"

namespace balmer::render::line_plot {

/// Draws ink where parts cover the pixels of an image, each over those before it, on white.
class Overlay {
  public:
    static constexpr Pixel background = {255, 255, 255};

    /// One ink a part, up to overlap_parts; opaque only if it is the only one.
    Overlay(std::span<const Ink> inks, const PixelRows& output);

    /// What the rows of its tiles stand for.
    std::span<const ChannelLevels> palettes() const { return palettes_; }

    /// The tiles in a row of `count` from tile `first` of `parts` on that are not blank.
    std::span<const Tile> draw(std::span<const Coverage> parts, std::size_t first, int count);

  private:
    using Covered = std::array<std::uint64_t, overlap_parts>;

    std::array<std::uint64_t, 3> blend(const Covered& covered) const;

    std::vector<Ink> inks_;
    std::vector<ChannelLevels> palettes_;  // of one part alone, by part; of several parts
    std::vector<Tile> tiles_;
};

}  // namespace balmer::render::line_plot
