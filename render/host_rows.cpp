#include "render/host_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <type_traits>

#ifdef __AVX__
#include <immintrin.h>
#endif

namespace balmer::render {
namespace {

/// The bits of a value; an array of them, unlike one of values, has none at first.
template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 1, std::uint8_t,
                                  std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint32_t>>;

/// Calls body(type_tag<T>{}) with the type of an output.
template <class Body>
void dispatch_output(DType dtype, const Body& body) {
    if (dtype == DType::f32) return body(type_tag<float>{});
    if (dtype == DType::bf16) return body(type_tag<bfloat16>{});
    body(type_tag<std::uint8_t>{});
}

/// Copies past the caches, which keep what is being worked on: a batch is read when all of it is
/// drawn.
void stream(const std::byte* from, std::byte* to, std::size_t bytes) {
#ifdef __AVX__
    constexpr std::size_t word = sizeof(__m256i);
    const std::size_t before = (word - reinterpret_cast<std::uintptr_t>(to) % word) % word;
    const std::size_t head = std::min(before, bytes);
    std::memcpy(to, from, head);
    std::size_t i = head;
    for (; i + word <= bytes; i += word) {
        const auto value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
        _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i), value);
    }
    std::memcpy(to + i, from + i, bytes - i);
#else
    std::memcpy(to, from, bytes);
#endif
}

/// Lets other threads see what has been streamed.
void end_of_stream() {
#ifdef __AVX__
    _mm_sfence();
#endif
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
    : output_(output),
      side_(options.image_size),
      is_planar_(output.shape.rank() == 4 && output.dtype != DType::u8) {
    for (int c = 0; c < 3; ++c) {
        for (int level = 0; level < 256; ++level) {
            const float value = (static_cast<float>(level) / 255.0F - options.mean[c]) /
                                options.standard_deviation[c];
            levels_.u8[c][level] = static_cast<std::uint8_t>(level);
            levels_.f32[c][level] = value;
            levels_.bf16[c][level] = bfloat16(value);
        }
    }
    // A pixel of three bytes is a patch of one pixel.
    const std::int64_t p = output.shape.rank() == 3 ? options.patch_size : 1;
    height_ = std::min(side_, is_planar_ ? 3 * Tile::side : std::lcm(p, std::int64_t{Tile::side}));
    band_.resize(height_ * side_ * 3 * size_of(output.dtype));
    channel_ = is_planar_ ? height_ * side_ : p * p;
    stretch_ = is_planar_ ? side_ : p;
    for (std::int64_t y = 0; y < height_; ++y) {
        rows_.push_back(is_planar_ ? y * side_ : y / p * p * side_ * 3 + y % p * p);
    }
    for (std::int64_t x = 0; x < side_; ++x) {
        columns_.push_back(is_planar_ ? x : x / p * p * p * 3 + x % p);
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

void PixelRows::begin(std::int64_t index) {
    index_ = index;
    top_ = 0;
    filled_ = 0;
}

void PixelRows::add(std::int64_t height, std::int64_t width, std::span<const Pixel> cells) {
    while (height > 0) {
        const std::int64_t rows = std::min(height, height_ - filled_);
        dispatch_output(output_.dtype,
                        [&]<class T>(type_tag<T>) { draw_cells<T>(rows, width, cells); });
        advance(rows);
        height -= rows;
    }
}

void PixelRows::add(const Pixel& background, std::span<const Tile> tiles,
                    std::span<const ChannelLevels> palettes) {
    const std::int64_t rows = std::min<std::int64_t>(Tile::side, side_ - top_ - filled_);
    dispatch_output(output_.dtype, [&]<class T>(type_tag<T>) {
        draw_cells<T>(rows, side_, {&background, 1});
        for (const Tile& tile : tiles) draw_tile<T>(tile, rows, palettes);
    });
    advance(rows);
}

/// Its first value in the band.
template <class T>
T* PixelRows::channel(int c) {
    return reinterpret_cast<T*>(band_.data()) + c * channel_;
}

template <class T>
void PixelRows::draw_cells(std::int64_t height, std::int64_t width, std::span<const Pixel> cells) {
    const ChannelLevels::Table<T>& levels = levels_.of<T>();
    constexpr std::int64_t group = 8;  // values that are written together
    using Group = std::array<BitsOf<T>, group>;
    const std::int64_t side = side_;
    const std::int64_t stretch = stretch_;
    std::array<BitsOf<T>, largest_image + group> row;
    for (int c = 0; c < 3; ++c) {
        const auto fill = [&](std::int64_t x, const Pixel& cell) {
            Group values;
            values.fill(std::bit_cast<BitsOf<T>>(levels[c][cell[c]]));
            std::memcpy(&row[x], values.data(), sizeof(values));
        };
        const Pixel* cell = cells.data();
        if (width <= group) {
            for (std::int64_t x = 0; x < side; x += width) fill(x, *cell++);
        } else {
            for (std::int64_t x = 0; x < side; x += width, ++cell) {
                const std::int64_t end = std::min(x + width, side);
                for (std::int64_t k = x; k < end; k += group) fill(k, *cell);
            }
        }
        for (std::int64_t y = filled_; y < filled_ + height; ++y) {
            T* const to = channel<T>(c) + rows_[y];
            for (std::int64_t x = 0; x < side; x += stretch) {
                T* const first = to + columns_[x];
                std::int64_t i = 0;
                for (; i + group <= stretch; i += group) {
                    std::memcpy(static_cast<void*>(first + i), &row[x + i], sizeof(Group));
                }
                for (; i < stretch; ++i) first[i] = std::bit_cast<T>(row[x + i]);
            }
        }
    }
}

template <class T>
void PixelRows::draw_tile(const Tile& tile, std::int64_t height,
                          std::span<const ChannelLevels> palettes) {
    const std::int64_t* const columns = &columns_[tile.column];
    const std::int64_t width = std::min<std::int64_t>(Tile::side, side_ - tile.column);
    const bool is_one_stretch =
        width == Tile::side && columns[Tile::side - 1] - columns[0] == Tile::side - 1;
    for (std::int64_t y = 0; y < height; ++y) {
        const Tile::Row& row = tile.rows[y];
        if (row.palette < 0) continue;
        const ChannelLevels::Table<T>& levels = palettes[row.palette].of<T>();
        for (int c = 0; c < 3; ++c) {
            T* const to = channel<T>(c) + rows_[filled_ + y];
            std::array<std::uint8_t, Tile::side> bytes;
            std::memcpy(bytes.data(), &row.channels[c], sizeof(bytes));
            if (is_one_stretch) {
                for (int x = 0; x < Tile::side; ++x) to[columns[0] + x] = levels[c][bytes[x]];
            } else {
                for (std::int64_t x = 0; x < width; ++x) to[columns[x]] = levels[c][bytes[x]];
            }
        }
    }
}

/// Goes on below rows that are drawn, and writes the band out when it is full.
void PixelRows::advance(std::int64_t rows) {
    filled_ += rows;
    const bool is_last = top_ + filled_ == side_;
    if (filled_ < height_ && !is_last) return;
    const std::int64_t size = size_of(output_.dtype);
    const std::int64_t part = is_planar_ ? side_ : side_ * 3;  // of a row, that lies side by side
    for (std::int64_t c = 0; c < (is_planar_ ? 3 : 1); ++c) {
        const std::byte* const from = band_.data() + c * channel_ * size;
        auto* const to = static_cast<std::byte*>(output_.data) +
                         ((index_ * 3 + c) * side_ * side_ + top_ * part) * size;
        stream(from, to, filled_ * part * size);
    }
    if (is_last) end_of_stream();
    top_ += filled_;
    filled_ = 0;
}

}  // namespace balmer::render
