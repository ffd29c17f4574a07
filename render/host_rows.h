#pragma once
// What the plain CPU renderers share: reading one spectrum of a batch, and writing rows of pixels
// into an output of any layout.

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "render/image.h"

namespace balmer::render {

/// Red, green, blue.
using Pixel = std::array<std::uint8_t, 3>;

/// One spectrum; absent arrays are null.
struct SpectrumRow {
    const float* flux = nullptr;
    const std::uint8_t* mask = nullptr;
    const float* inverse_variance = nullptr;
    const double* wavelength = nullptr;
    std::int64_t pixels = 0;

    /// Neither masked nor NaN nor infinite.
    bool is_good(std::int64_t i) const {
        return (mask == nullptr || mask[i] == 0) && std::isfinite(flux[i]);
    }
};

/// Row `index` of the batch; its mask is null where `use_mask` is false. ShapeError if `lengths`
/// names a length outside 0..L.
SpectrumRow spectrum_row(const SpectrumBatch& batch, std::int64_t index, bool use_mask);

/// What stands for the levels 0..255 of red, green and blue: as u8, and normalised.
struct ChannelLevels {
    template <class T>
    using Table = std::array<std::array<T, 256>, 3>;

    Table<std::uint8_t> u8{};
    Table<float> f32{};
    Table<bfloat16> bf16{};
};

/// Writes whole rows of pixels into u8 [B, S, S, 3], or normalised into f32 or bf16 [B, 3, S, S] or
/// patch rows [B, N, 3 p p].
class PixelRows {
  public:
    PixelRows(const ImageOptions& options, const View& output);

    /// Rows `top` to `top + height - 1` of image `index` all become `line` (S pixels).
    void write(std::int64_t index, std::int64_t top, std::int64_t height,
               std::span<const Pixel> line) const;

    /// The levels of a pixel as they are.
    const ChannelLevels& levels() const { return levels_; }
    /// Those of a pixel that is colours[level].
    ChannelLevels palette(const std::array<Pixel, 256>& colours) const;
    /// Row y of image `index`; `channels` point to S levels of red, green and blue each.
    void write(std::int64_t index, std::int64_t y,
               const std::array<const std::uint8_t*, 3>& channels,
               const ChannelLevels& levels) const;

  private:
    template <class T>
    void write_planes(std::int64_t index, std::int64_t top, std::int64_t height,
                      std::span<const Pixel> line, const ChannelLevels::Table<T>& levels) const;
    template <class T>
    void write_patches(std::int64_t index, std::int64_t top, std::int64_t height,
                       std::span<const Pixel> line, const ChannelLevels::Table<T>& levels) const;
    template <class T>
    void write_channels(std::int64_t index, std::int64_t y,
                        const std::array<const std::uint8_t*, 3>& channels,
                        const ChannelLevels::Table<T>& levels) const;

    View output_;
    std::int64_t side_;
    std::int64_t patch_ = 0;  ///< p; 0: not patch rows
    ChannelLevels levels_;
};

}  // namespace balmer::render
