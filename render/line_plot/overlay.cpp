#include "render/line_plot/overlay.h"

#include <array>

#include "render/line_plot/ink.h"

namespace balmer::render::line_plot {
namespace {

constexpr std::uint32_t white = Overlay::background[0];

/// Of the pixels that ink covers so far, on white.
std::array<Pixel, 256> colours_of(const Ink& ink) {
    std::array<Pixel, 256> colours;
    for (std::uint32_t covered = 0; covered < 256; ++covered) {
        for (int c = 0; c < 3; ++c) {
            colours[covered][c] =
                static_cast<std::uint8_t>(blended(white, ink.levels[c], ink.opacity, covered));
        }
    }
    return colours;
}

static_assert(overlap_parts == 3);
/// By the parts that cover pixels, part i as bit i.
constexpr std::array<int, 8> palette_of = {
    -1, 0, 1, overlap_parts, 2, overlap_parts, overlap_parts, overlap_parts};

}  // namespace

Overlay::Overlay(std::span<const Ink> inks, const PixelRows& output)
    : inks_(inks.begin(), inks.end()) {
    for (const Ink& ink : inks) palettes_.push_back(output.palette(colours_of(ink)));
    palettes_.push_back(output.levels());
}

std::span<const Tile> Overlay::draw(std::span<const Coverage> parts, std::size_t first, int count) {
    constexpr Coverage::Tile blank{};
    tiles_.resize(count);
    std::size_t drawn = 0;
    for (int i = 0; i < count; ++i) {
        std::array<const Coverage::Tile*, overlap_parts> covered;
        covered.fill(&blank);
        bool is_blank = true;
        for (std::size_t p = 0; p < parts.size(); ++p) {
            if (parts[p].is_blank[first + i] != 0) continue;
            covered[p] = &parts[p].tiles[first + i];
            is_blank = false;
        }
        if (is_blank) continue;
        Tile& tile = tiles_[drawn++];
        tile.column = i * Tile::side;
        for (int y = 0; y < Tile::side; ++y) {
            const Covered row = {(*covered[0])[y], (*covered[1])[y], (*covered[2])[y]};
            const int palette =
                palette_of[(row[0] != 0 ? 1 : 0) | (row[1] != 0 ? 2 : 0) | (row[2] != 0 ? 4 : 0)];
            tile.rows[y].palette = palette;
            if (palette < overlap_parts) {
                tile.rows[y].channels.fill(row[0] | row[1] | row[2]);
            } else {
                tile.rows[y].channels = blend(row);
            }
        }
    }
    return {tiles_.data(), drawn};
}

/// The levels of pixels where parts lie over each other.
std::array<std::uint64_t, 3> Overlay::blend(const Covered& covered) const {
    std::array<Levels, 3> channels;
    channels.fill(white - Levels{});
    for (std::size_t i = 0; i < inks_.size(); ++i) {
        const Levels alpha = alpha_of(inks_[i].opacity, levels_of(covered[i]));
        for (int c = 0; c < 3; ++c) {
            channels[c] = blended_translucent(channels[c], inks_[i].levels[c], alpha);
        }
    }
    return bytes_of(channels);
}

}  // namespace balmer::render::line_plot
