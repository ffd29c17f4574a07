#pragma once
// Where the pixels of a spectrum go in a patch-rows image, on every device: see patch_rows.h.

#include <cstdint>

namespace balmer::render {

constexpr std::int64_t divided_up(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

struct PatchLayout {
    std::int64_t patches;    ///< a side
    std::int64_t per_patch;  ///< pixels in a patch
    std::int64_t columns;    ///< cells a row of a patch
    std::int64_t rows;       ///< rows of cells of a patch

    constexpr PatchLayout(std::int64_t side, std::int64_t patch, std::int64_t pixels)
        : patches(side / patch),
          per_patch(pixels > 0 ? divided_up(pixels, patches * patches) : 1),
          columns(1),
          rows(1) {
        while (columns * columns < per_patch || patch % columns != 0) ++columns;
        rows = divided_up(per_patch, columns);
    }
};

}  // namespace balmer::render
