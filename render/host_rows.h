#pragma once
// What the plain CPU renderers share: reading one spectrum of a batch, and writing rows of pixels
// into an output of any layout.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
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

    template <class T>
    const Table<T>& of() const {
        if constexpr (std::is_same_v<T, float>) return f32;
        if constexpr (std::is_same_v<T, bfloat16>) return bf16;
        if constexpr (std::is_same_v<T, std::uint8_t>) return u8;
    }
};

/// A square of pixels.
struct Tile {
    static constexpr int side = 8;

    struct Row {
        /// Of red, green and blue a byte each, the pixels in one word.
        std::array<std::uint64_t, 3> channels;
        int palette;  ///< what the bytes stand for; < 0: the row shows the background
    };

    std::int64_t column;  ///< of the image, where it begins
    std::array<Row, side> rows;
};

/// Writes images, each from its first row to its last, into u8 [B, S, S, 3], or normalised into f32
/// or bf16 [B, 3, S, S] or patch rows [B, N, 3 p p]. Rows are put together in a band that stays in
/// the processor's cache, and leave it in the order of their addresses.
class PixelRows {
  public:
    PixelRows(const ImageOptions& options, const View& output);

    /// What is added from now on belongs to image `index`.
    void begin(std::int64_t index);
    /// Adds `height` rows, in which every one of `cells` fills `width` columns. The last may reach
    /// beyond the image.
    void add(std::int64_t height, std::int64_t width, std::span<const Pixel> cells);
    /// Adds a row of tiles, as far as the image reaches: `background`, and on it `tiles`. Above lie
    /// only such rows.
    void add(const Pixel& background, std::span<const Tile> tiles,
             std::span<const ChannelLevels> palettes);

    /// The levels of a pixel as they are.
    const ChannelLevels& levels() const { return levels_; }
    /// Those of a pixel that is colours[level].
    ChannelLevels palette(const std::array<Pixel, 256>& colours) const;

  private:
    template <class T>
    T* channel(int c);
    template <class T>
    void draw_cells(std::int64_t height, std::int64_t width, std::span<const Pixel> cells);
    template <class T>
    void draw_tile(const Tile& tile, std::int64_t height, std::span<const ChannelLevels> palettes);
    void advance(std::int64_t rows);

    View output_;
    std::int64_t side_;
    ChannelLevels levels_;
    bool is_planar_;
    std::int64_t height_;  ///< of the band
    std::vector<std::byte> band_;
    /// Where a value lies in the band: the sum of what its channel, row and column say.
    std::int64_t channel_;
    std::vector<std::int64_t> rows_;
    std::vector<std::int64_t> columns_;
    std::int64_t stretch_;  ///< values of a row that lie side by side, from a multiple of it on
    std::int64_t index_ = 0;
    std::int64_t top_ = 0;     ///< row of the image that the band begins with
    std::int64_t filled_ = 0;  ///< rows of the band
};

}  // namespace balmer::render
