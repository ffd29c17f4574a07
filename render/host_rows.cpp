#include "render/host_rows.h"

#include <algorithm>
#include <cstring>

namespace balmer::render {
namespace {

constexpr std::int64_t white_pixels = 8;

/// Whether so many pixels are all white.
bool is_white(const std::uint8_t* pixels) {
    std::array<std::uint64_t, 3 * white_pixels / 8> words;
    std::memcpy(words.data(), pixels, sizeof(words));
    return (words[0] & words[1] & words[2]) == ~std::uint64_t{0};
}

}  // namespace

SpectrumRow spectrum_row(const SpectrumBatch& batch, std::int64_t index, bool use_mask) {
    const std::int64_t width = batch.flux.shape[1];
    const std::int64_t start = index * width;
    SpectrumRow row;
    row.flux = batch.flux.as<float>() + start;
    row.pixels = width;
    if (batch.lengths) {
        row.pixels = batch.lengths.as<std::int64_t>()[index];
        if (row.pixels < 0 || row.pixels > width) {
            throw ShapeError("render: lengths[" + std::to_string(index) + "] is " +
                             std::to_string(row.pixels) + ", the rows hold " +
                             std::to_string(width) + " pixels");
        }
    }
    if (batch.mask && use_mask) row.mask = batch.mask.as<std::uint8_t>() + start;
    const bool is_variance_known =
        batch.inverse_variance && (!batch.inverse_variance_known ||
                                   batch.inverse_variance_known.as<std::uint8_t>()[index] != 0);
    if (is_variance_known) row.inverse_variance = batch.inverse_variance.as<float>() + start;
    if (batch.wavelength) {
        const bool is_shared = batch.wavelength.shape.rank() == 1;
        row.wavelength = batch.wavelength.as<double>() + (is_shared ? 0 : start);
    }
    return row;
}

PixelRows::PixelRows(const ImageOptions& options, const View& output)
    : output_(output), patch_(output.shape.rank() == 3 ? options.patch_size : 0) {
    if (output.dtype == DType::u8) return;
    for (int c = 0; c < 3; ++c) {
        for (int level = 0; level < 256; ++level) {
            const float value = (static_cast<float>(level) / 255.0F - options.mean[c]) /
                                options.standard_deviation[c];
            levels_f32_[c][level] = value;
            levels_bf16_[c][level] = bfloat16(value);
        }
    }
}

void PixelRows::write(std::int64_t index, std::int64_t top, std::int64_t height,
                      std::span<const Pixel> line) const {
    if (output_.dtype == DType::f32) {
        return write_planes(index, top, height, line, levels_f32_);
    }
    if (output_.dtype == DType::bf16) {
        return write_planes(index, top, height, line, levels_bf16_);
    }
    const auto side = static_cast<std::int64_t>(line.size());
    auto* target = output_.as<std::uint8_t>() + (index * side + top) * side * 3;
    for (std::int64_t y = 0; y < height; ++y) {
        std::memcpy(target + y * side * 3, line.data(), line.size_bytes());
    }
}

template <class T>
void PixelRows::write_planes(std::int64_t index, std::int64_t top, std::int64_t height,
                             std::span<const Pixel> line,
                             const std::array<std::array<T, 256>, 3>& levels) const {
    const auto side = static_cast<std::int64_t>(line.size());
    if (patch_ > 0) return write_patches(index, top, height, line, levels);
    const std::int64_t plane = side * side;
    T* first = output_.as<T>() + index * 3 * plane + top * side;
    const std::uint8_t* pixels = line.front().data();
    for (std::int64_t x = 0; x < side;) {
        if (x + white_pixels <= side && is_white(pixels + 3 * x)) {  // most of a line plot
            for (int c = 0; c < 3; ++c) {
                std::fill_n(first + c * plane + x, white_pixels, levels[c][255]);
            }
            x += white_pixels;
            continue;
        }
        const std::int64_t end = std::min(x + white_pixels, side);
        for (; x < end; ++x) {
            for (int c = 0; c < 3; ++c) first[c * plane + x] = levels[c][pixels[3 * x + c]];
        }
    }
    for (int c = 0; c < 3; ++c, first += plane) {
        for (std::int64_t y = 1; y < height; ++y) std::copy_n(first, side, first + y * side);
    }
}

template <class T>
void PixelRows::write_patches(std::int64_t index, std::int64_t top, std::int64_t height,
                              std::span<const Pixel> line,
                              const std::array<std::array<T, 256>, 3>& levels) const {
    const std::int64_t p = patch_;
    const std::int64_t patches = static_cast<std::int64_t>(line.size()) / p;  // a side
    for (std::int64_t y = top; y < top + height; ++y) {
        T* const first = output_.as<T>() + (index * patches + y / p) * patches * 3 * p * p;
        for (std::int64_t patch = 0; patch < patches; ++patch) {
            for (int c = 0; c < 3; ++c) {
                T* const row = first + (patch * 3 + c) * p * p + y % p * p;
                for (std::int64_t x = 0; x < p; ++x) row[x] = levels[c][line[patch * p + x][c]];
            }
        }
    }
}

}  // namespace balmer::render
