#include "render/map2d/value_blocks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "render/map2d/even_spacing.h"
#include "render/map2d/map2d.h"

namespace balmer::render {
namespace {

void interpolate(const SpectrumRow& row, std::int64_t count, MaskedValues& values) {
    values.value.assign(count, row.flux[0]);
    values.is_masked.assign(count, row.mask != nullptr && row.mask[0] != 0 ? 1 : 0);
    if (row.pixels == 1) return;
    const double* x = row.wavelength;
    const EvenSpacing spacing = {x[0], x[row.pixels - 1], count};
    std::int64_t upper = 1;
    for (std::int64_t i = 0; i < count; ++i) {
        const double at = spacing.at(i);
        while (upper < row.pixels - 1 && x[upper] < at) ++upper;
        const std::int64_t lower = upper - 1;
        const double slope =
            (static_cast<double>(row.flux[upper]) - row.flux[lower]) / (x[upper] - x[lower]);
        values.value[i] = slope * (at - x[lower]) + row.flux[lower];
        values.is_masked[i] =
            row.mask != nullptr && (row.mask[lower] != 0 || row.mask[upper] != 0) ? 1 : 0;
    }
}

}  // namespace

void gather(const ImageOptions& options, const SpectrumRow& row, MaskedValues& values) {
    const auto slots = map2d_norm_capacity(options);
    if (options.interpolate && row.pixels > 0 && row.pixels < slots) {
        return interpolate(row, slots, values);
    }
    values.resize(row.pixels);
    double* const value = values.value.data();
    for (std::int64_t i = 0; i < row.pixels; ++i) value[i] = row.flux[i];
    std::uint8_t* const is_masked = values.is_masked.data();
    const std::uint8_t* const mask = row.mask;
    for (std::int64_t i = 0; i < row.pixels; ++i) {
        is_masked[i] = mask != nullptr && mask[i] != 0 ? 1 : 0;
    }
}

void mask_not_finite(MaskedValues& values) {
    const double* const value = values.value.data();
    std::uint8_t* const is_masked = values.is_masked.data();
    for (std::int64_t i = 0; i < values.size(); ++i) {
        is_masked[i] |= std::isfinite(value[i]) ? 0 : 1;
    }
}

void clear_pixels(const ImageOptions& options, const MaskedValues& values,
                  std::vector<Pixel>& pixels) {
    pixels.assign(std::min(values.size(), map2d_norm_capacity(options)), Pixel{});
}

void draw_from_minimum_to_maximum(const MaskedValues& values, int channel,
                                  std::span<Pixel> pixels) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double* const value = values.value.data();
    const std::uint8_t* const is_masked = values.is_masked.data();
    double low = infinity;
    double high = -infinity;
#pragma omp simd reduction(min : low) reduction(max : high)
    for (std::int64_t i = 0; i < values.size(); ++i) {
        const double least = is_masked[i] != 0 ? infinity : value[i];
        const double most = is_masked[i] != 0 ? -infinity : value[i];
        low = least < low ? least : low;
        high = most > high ? most : high;
    }
    if (!(low < high)) return;
    constexpr std::size_t most_at_once = 64;
    for (std::size_t first = 0; first < pixels.size(); first += most_at_once) {
        const std::size_t count = std::min(most_at_once, pixels.size() - first);
        std::array<int, most_at_once> levels;
        for (std::size_t i = 0; i < count; ++i) {
            const double shown = is_masked[first + i] != 0 ? low : value[first + i];
            levels[i] = static_cast<int>(255.0 * (shown - low) / (high - low));
        }
        for (std::size_t i = 0; i < count; ++i) {
            std::uint8_t& level = pixels[first + i][channel];
            level = is_masked[first + i] != 0 ? level : static_cast<std::uint8_t>(levels[i]);
        }
    }
}

void draw_blocks(const ImageOptions& options, std::span<const Pixel> pixels, Pixel background,
                 std::int64_t index, PixelRows& output) {
    const std::int64_t side = options.image_size;
    const std::int64_t block = options.block_size;
    const std::int64_t blocks = side / block;
    const auto count = static_cast<std::int64_t>(pixels.size());
    output.begin(index);
    std::vector<Pixel> line(blocks + 1);  // the last one for what the blocks leave free
    for (std::int64_t row = 0; row * block < side; ++row) {
        const std::int64_t first = std::min(row * blocks, count);
        const std::int64_t filled = std::min(blocks, count - first);
        std::copy_n(pixels.begin() + first, filled, line.begin());
        std::fill(line.begin() + filled, line.end(), background);
        const bool is_reversed = options.fill_order == FillOrder::boustrophedon && row % 2 == 1;
        if (is_reversed) std::reverse(line.begin(), line.begin() + blocks);
        output.add(std::min(block, side - row * block), block, line);
    }
}

}  // namespace balmer::render
