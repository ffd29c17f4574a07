#include "render/map2d/value_blocks.h"

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
    values.value.assign(row.flux, row.flux + row.pixels);
    values.is_masked.assign(row.pixels, 0);
    if (row.mask == nullptr) return;
    for (std::int64_t i = 0; i < row.pixels; ++i) values.is_masked[i] = row.mask[i] != 0 ? 1 : 0;
}

void mask_not_finite(MaskedValues& values) {
    for (std::size_t i = 0; i < values.value.size(); ++i) {
        if (!std::isfinite(values.value[i])) values.is_masked[i] = 1;
    }
}

void clear_pixels(const ImageOptions& options, const MaskedValues& values,
                  std::vector<Pixel>& pixels) {
    pixels.assign(std::min(values.size(), map2d_norm_capacity(options)), Pixel{});
}

void draw_from_minimum_to_maximum(const MaskedValues& values, int channel,
                                  std::span<Pixel> pixels) {
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (std::size_t i = 0; i < values.value.size(); ++i) {
        if (values.is_masked[i] != 0) continue;
        low = std::min(low, values.value[i]);
        high = std::max(high, values.value[i]);
    }
    for (std::size_t i = 0; i < pixels.size() && low < high; ++i) {
        if (values.is_masked[i] != 0) continue;
        const double scaled = 255.0 * (values.value[i] - low) / (high - low);
        pixels[i][channel] = static_cast<std::uint8_t>(scaled);
    }
}

void draw_blocks(const ImageOptions& options, std::span<const Pixel> pixels, Pixel background,
                 std::int64_t index, const PixelRows& output) {
    const std::int64_t side = options.image_size;
    const std::int64_t block = options.block_size;
    const std::int64_t blocks = side / block;
    const auto count = static_cast<std::int64_t>(pixels.size());
    std::vector<Pixel> line(side);
    for (std::int64_t row = 0; row * block < side; ++row) {
        std::fill(line.begin(), line.end(), background);
        const bool is_reversed = options.fill_order == FillOrder::boustrophedon && row % 2 == 1;
        for (std::int64_t i = 0; i < blocks && row * blocks + i < count; ++i) {
            const std::int64_t column = is_reversed ? blocks - 1 - i : i;
            std::fill_n(line.begin() + column * block, block, pixels[row * blocks + i]);
        }
        output.write(index, row * block, std::min(block, side - row * block), line);
    }
}

}  // namespace balmer::render
