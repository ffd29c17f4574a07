#include "render/host_rows.h"

#include <algorithm>
#include <cstring>

namespace balmer::render {

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
    : output_(output),
      side_(options.image_size),
      patch_(output.shape.rank() == 3 ? options.patch_size : 0) {
    for (int c = 0; c < 3; ++c) {
        for (int level = 0; level < 256; ++level) {
            const float value = (static_cast<float>(level) / 255.0F - options.mean[c]) /
                                options.standard_deviation[c];
            levels_.u8[c][level] = static_cast<std::uint8_t>(level);
            levels_.f32[c][level] = value;
            levels_.bf16[c][level] = bfloat16(value);
        }
    }
}

ChannelLevels PixelRows::palette(const std::array<Pixel, 256>& colours) const {
    ChannelLevels tables;
    for (int c = 0; c < 3; ++c) {
        for (int level = 0; level < 256; ++level) {
            const std::uint8_t channel = colours[level][c];
            tables.u8[c][level] = channel;
            tables.f32[c][level] = levels_.f32[c][channel];
            tables.bf16[c][level] = levels_.bf16[c][channel];
        }
    }
    return tables;
}

void PixelRows::write(std::int64_t index, std::int64_t y,
                      const std::array<const std::uint8_t*, 3>& channels,
                      const ChannelLevels& levels) const {
    if (output_.dtype == DType::f32) return write_channels(index, y, channels, levels.f32);
    if (output_.dtype == DType::bf16) return write_channels(index, y, channels, levels.bf16);
    auto* target = output_.as<std::uint8_t>() + (index * side_ + y) * side_ * 3;
    for (std::int64_t x = 0; x < side_; ++x) {
        for (int c = 0; c < 3; ++c) *target++ = levels.u8[c][channels[c][x]];
    }
}

template <class T>
void PixelRows::write_channels(std::int64_t index, std::int64_t y,
                               const std::array<const std::uint8_t*, 3>& channels,
                               const ChannelLevels::Table<T>& levels) const {
    constexpr std::int64_t group = sizeof(std::uint64_t);
    constexpr std::uint64_t each = 0x0101010101010101;
    const std::int64_t p = patch_ > 0 ? patch_ : side_;  // of one channel in a stretch
    const std::int64_t stretches = side_ / p;
    const std::int64_t channel = patch_ > 0 ? p * p : side_ * side_;
    T* const row = output_.as<T>() +
                   (patch_ > 0 ? (index * stretches + y / p) * stretches * 3 * channel + y % p * p
                               : index * 3 * channel + y * side_);
    for (std::int64_t stretch = 0; stretch < stretches; ++stretch) {
        T* const first = row + stretch * 3 * channel;
        const auto from = [&](int c) { return channels[c] + stretch * p; };
        std::int64_t x = 0;
        for (; x + group <= p; x += group) {
            std::array<std::uint64_t, 3> words;
            for (int c = 0; c < 3; ++c) std::memcpy(&words[c], from(c) + x, group);
            const auto differs = [&](int c) { return words[c] ^ (words[c] & 255) * each; };
            if ((differs(0) | differs(1) | differs(2)) == 0) {  // most of a line plot
                for (int c = 0; c < 3; ++c) {
                    std::array<T, group> same;
                    same.fill(T(levels[c][words[c] & 255]));
                    std::memcpy(first + c * channel + x, same.data(), sizeof(same));
                }
                continue;
            }
            for (int c = 0; c < 3; ++c) {
                for (std::int64_t i = x; i < x + group; ++i) {
                    first[c * channel + i] = levels[c][from(c)[i]];
                }
            }
        }
        for (; x < p; ++x) {
            for (int c = 0; c < 3; ++c) first[c * channel + x] = levels[c][from(c)[x]];
        }
    }
}

void PixelRows::write(std::int64_t index, std::int64_t top, std::int64_t height,
                      std::span<const Pixel> line) const {
    if (output_.dtype == DType::f32) {
        return write_planes(index, top, height, line, levels_.f32);
    }
    if (output_.dtype == DType::bf16) {
        return write_planes(index, top, height, line, levels_.bf16);
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
                             const ChannelLevels::Table<T>& levels) const {
    const auto side = static_cast<std::int64_t>(line.size());
    if (patch_ > 0) return write_patches(index, top, height, line, levels);
    const std::int64_t plane = side * side;
    T* first = output_.as<T>() + index * 3 * plane + top * side;
    for (std::int64_t x = 0; x < side; ++x) {
        for (int c = 0; c < 3; ++c) first[c * plane + x] = levels[c][line[x][c]];
    }
    for (int c = 0; c < 3; ++c, first += plane) {
        for (std::int64_t y = 1; y < height; ++y) std::copy_n(first, side, first + y * side);
    }
}

template <class T>
void PixelRows::write_patches(std::int64_t index, std::int64_t top, std::int64_t height,
                              std::span<const Pixel> line,
                              const ChannelLevels::Table<T>& levels) const {
    const std::int64_t p = patch_;
    const std::int64_t patches = static_cast<std::int64_t>(line.size()) / p;  // a side
    const auto row = [&](std::int64_t y) {
        return output_.as<T>() + (index * patches + y / p) * patches * 3 * p * p + y % p * p;
    };
    T* const first = row(top);
    for (std::int64_t patch = 0; patch < patches; ++patch) {
        for (int c = 0; c < 3; ++c) {
            T* const to = first + (patch * 3 + c) * p * p;
            for (std::int64_t x = 0; x < p; ++x) to[x] = levels[c][line[patch * p + x][c]];
        }
    }
    for (std::int64_t y = top + 1; y < top + height; ++y) {
        T* const next = row(y);
        for (std::int64_t k = 0; k < patches * 3; ++k)
            std::copy_n(first + k * p * p, p, next + k * p * p);
    }
}

}  // namespace balmer::render
