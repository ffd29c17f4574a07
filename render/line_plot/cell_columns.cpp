#include "render/line_plot/cell_columns.h"

#include <array>

#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {
namespace {

using SignedWords = std::int32_t __attribute__((vector_size(sizeof(Words))));

/// As `coverage` for successive pixels of a column. `left` is the sum of cover from the left; it
/// takes in these cells, which become 0.
Words cover_pixels(CellSum* sums, Words& left) {
    const Words first = load<Words>(sums);
    const Words second = load<Words>(sums + group / 2);
    const Words areas = __builtin_shufflevector(first, second, 0, 2, 4, 6, 8, 10, 12, 14);
    const Words covers = __builtin_shufflevector(first, second, 1, 3, 5, 7, 9, 11, 13, 15);
    store(Words{}, sums);
    store(Words{}, sums + group / 2);
    left += covers + (areas >> 31);  // a negative area has carried into the cover
    const auto share = reinterpret_cast<SignedWords>(left * (2 * subpixels) - areas) >> 9;
    const auto size = reinterpret_cast<Words>(share < 0 ? -share : share);
    return size < 255 ? size : 255 - Words{};
}

bool is_zero(Words words) {
    std::array<std::uint64_t, sizeof(Words) / sizeof(std::uint64_t)> parts;
    store(words, parts.data());
    return (parts[0] | parts[1] | parts[2] | parts[3]) == 0;
}

/// What there is in the cells of `group` rows and columns: zero if nothing has been added to them.
Words sums_in(const CellSum* sums, int stride) {
    Words any{};
    for (int k = 0; k < group; ++k, sums += stride) {
        any |= load<Words>(sums) | load<Words>(sums + group / 2);
    }
    return any;
}

}  // namespace

void CellColumns::cover(Coverage& coverage) {
    const std::size_t tiles = static_cast<std::size_t>(this->tiles()) * this->tiles();
    coverage.tiles.resize(tiles);
    coverage.is_blank.resize(tiles);
    std::size_t tile = 0;
    for (int y = 0; y < stride_; y += group) {
        Words left{};
        for (int x = 0; x < stride_; x += group, ++tile) {
            CellSum* const first = sums() + static_cast<std::size_t>(x) * stride_ + y;
            const bool is_blank = is_zero(left | sums_in(first, stride_));
            coverage.is_blank[tile] = is_blank ? 1 : 0;
            if (is_blank) continue;
            std::array<Words, 2> pixels{};  // a byte each, those of a row in one word
            for (int k = 0; k < group; ++k) {
                const Words covered = cover_pixels(first + std::ptrdiff_t{k} * stride_, left);
                pixels[k / 4] |= covered << (k % 4 * 8);
            }
            Coverage::Tile& rows = coverage.tiles[tile];
            store(__builtin_shufflevector(pixels[0], pixels[1], 0, 8, 1, 9, 2, 10, 3, 11),
                  &rows[0]);
            store(__builtin_shufflevector(pixels[0], pixels[1], 4, 12, 5, 13, 6, 14, 7, 15),
                  &rows[group / 2]);
        }
    }
}

}  // namespace balmer::render::line_plot
