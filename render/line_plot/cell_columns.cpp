#include "render/line_plot/cell_columns.h"

#include <array>
#include <cstring>

#include "render/line_plot/lanes.h"

namespace balmer::render::line_plot {
namespace {

constexpr int group = CellColumns::group;
using Words = std::uint32_t __attribute__((vector_size(group * sizeof(std::uint32_t))));
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

bool is_blank(Words words) {
    std::uint64_t halves[sizeof(Words) / sizeof(std::uint64_t)];
    store(words, halves);
    return (halves[0] | halves[1] | halves[2] | halves[3]) == 0;
}

}  // namespace

/// Whether nothing has been added to the cells of `group` rows and columns.
bool CellColumns::is_blank(int x, int y) const {
    Words any{};
    for (int k = 0; k < group; ++k) {
        const CellSum* sums =
            lines_[(static_cast<std::size_t>(x + k) * stride_ + y) / group].data();
        any |= load<Words>(sums) | load<Words>(sums + group / 2);
    }
    return line_plot::is_blank(any);
}

void CellColumns::cover(std::uint8_t* covered) {
    for (int y = 0; y < stride_; y += group) {
        Words left{};
        for (int x = 0; x < stride_; x += group) {
            if (line_plot::is_blank(left) && is_blank(x, y)) {
                for (int k = 0; k < group; ++k) {
                    std::memset(covered + static_cast<std::size_t>(y + k) * stride_ + x, 0, group);
                }
                continue;
            }
            std::array<Words, 2> pixels{};  // a byte each, those of a row in one word
            for (int k = 0; k < group; ++k) {
                CellSum* sums = this->sums() + static_cast<std::size_t>(x + k) * stride_ + y;
                pixels[k / 4] |= cover_pixels(sums, left) << (k % 4 * 8);
            }
            std::array<std::uint64_t, group> rows;
            store(__builtin_shufflevector(pixels[0], pixels[1], 0, 8, 1, 9, 2, 10, 3, 11),
                  &rows[0]);
            store(__builtin_shufflevector(pixels[0], pixels[1], 4, 12, 5, 13, 6, 14, 7, 15),
                  &rows[group / 2]);
            for (int k = 0; k < group; ++k) {
                std::memcpy(covered + static_cast<std::size_t>(y + k) * stride_ + x, &rows[k],
                            group);
            }
        }
    }
}

}  // namespace balmer::render::line_plot
