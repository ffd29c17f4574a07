#pragma once
// The arithmetic of spectral_channels.h that every device shares, operation by operation, so that
// all draw the same bytes: only + - * / and square roots in f64, sums in a stated order, and levels
// by comparison with a table instead of logarithms, whose last bits differ from library to library.

#include <cstdint>

#include "render/image_options.h"

namespace balmer::render::spectral {

inline constexpr std::int64_t continuum_reach = 150;  // pixels either side: 301 in all
inline constexpr std::int64_t sharp_reach = 1;        // 3
inline constexpr std::int64_t smooth_reach = 6;       // 13
inline constexpr std::int64_t short_hole = 64;
inline constexpr std::int64_t long_hole = 300;  // every pixel still has a continuum
inline constexpr int rejections = 2;
inline constexpr double rejection_limit = 2.0;           // in units of the local scatter
inline constexpr double largest_relative_weight = 10.0;  // of the median weight
inline constexpr double brightest = 1e3;                 // of the 95th percentile
inline constexpr double bright_quantile = 0.95;
inline constexpr double faintest_noise = 1e-3;  // of the mean |flux|, where it is estimated
inline constexpr double sharp_share = 0.1;      // contrast units, of the continuum
inline constexpr double smooth_share = 0.06;

/// The pixels around i, clipped to the spectrum: [begin, end).
struct Window {
    std::int64_t begin;
    std::int64_t end;

    constexpr Window(std::int64_t i, std::int64_t reach, std::int64_t pixels)
        : begin(i < reach ? 0 : i - reach), end(i + reach + 1 < pixels ? i + reach + 1 : pixels) {}

    /// From sums over the pixels before an index.
    constexpr double sum(const double* sums) const { return sums[end] - sums[begin]; }
};

/// Prefix sums add up tiles of this many pixels by themselves, then the tiles: an order that
/// threads of a GPU keep too.
inline constexpr std::int64_t tile_pixels = 32;

/// Weighted sums over a window: w, w x, w x^2, w f, w x f.
struct LineSums {
    double w, wx, wxx, wf, wxf;
};

/// The weighted straight line through a window at its pixel `here`; w > 0.
constexpr double line_at(const LineSums& sums, double here) {
    const double x = sums.wx / sums.w - here;  // the window's centroid
    const double f = sums.wf / sums.w;
    const double xx = sums.wxx / sums.w - 2 * here * (x + here) + here * here;
    const double xf = sums.wxf / sums.w - here * f;
    const double spread = xx - x * x;
    // A slope from a narrow or one-sided window would extrapolate noise.
    const double farthest = 0.6 * continuum_reach;
    const bool is_line = spread > 1.0 && x < farthest && x > -farthest;
    return is_line ? f - x * (xf - x * f) / spread : f;
}

/// Flux above the continuum, averaged over some pixels, and the variance of that mean.
struct Excess {
    double mean = 0;
    double variance = 0;
};

constexpr Excess excess_of(double weights, double products) {
    return weights > 0 ? Excess{products / weights, 1.0 / weights} : Excess{};
}

/// The denoised flux: the continuum and what stands out of the noise of `smooth`.
constexpr double shape_of(double continuum, const Excess& smooth) {
    const double square = smooth.mean * smooth.mean;
    if (!(square > 0)) return continuum;
    return continuum + smooth.mean * square / (square + 4.0 * smooth.variance);
}

/// The squares of the units in which green and blue show an excess.
constexpr double sharp_unit_squared(double continuum, const Excess& sharp) {
    const double scale = sharp_share * continuum;
    return scale * scale + sharp.variance;
}
constexpr double smooth_unit_squared(double continuum, const Excess& smooth) {
    const double scale = smooth_share * continuum;
    return scale * scale + 9.0 * smooth.variance;
}

constexpr double ratio(double a, double b) {
    return b > 0 ? a / b : 0.0;
}

/// What an image shows of a spectrum.
struct ShownChannels {
    SpectralChannel channels[3];
    std::int64_t longest_bridged_hole;

    constexpr bool has(SpectralChannel channel) const {
        return channels[0] == channel || channels[1] == channel || channels[2] == channel;
    }
};

constexpr ShownChannels shown_channels(const ImageOptions& options) {
    const std::int64_t longest = options.masked == MaskedPixels::colour        ? 0
                                 : options.masked == MaskedPixels::interpolate ? long_hole
                                                                               : short_hole;
    return {{options.channels[0], options.channels[1], options.channels[2]}, longest};
}

/// Half the difference of a pixel's neighbours, good ones with the weights `before` and `after`.
constexpr Excess slope_of(double difference, double before, double after) {
    return {difference / 2.0, (1.0 / before + 1.0 / after) / 4.0};
}

/// Numbers of one pixel.
struct PixelNumbers {
    double flux;  ///< the continuum where it is bad
    double continuum;
    double shape;
    double weight;          ///< 0 where it is bad
    double bright;          ///< F
    double typical_weight;  ///< median of the good pixels
};

/// A number in a unit, and the table its level comes from. Lines: the square of the unit.
struct Shown {
    double value;
    double unit;
    bool is_line;
};

/// What a channel shows of a pixel; `excess` is that of the channel, where it has one.
constexpr Shown shown_in(SpectralChannel channel, const PixelNumbers& pixel, const Excess& excess) {
    constexpr double beyond = 1e300;
    switch (channel) {
        case SpectralChannel::shape:
            return {pixel.shape, pixel.bright, false};
        case SpectralChannel::flux:
            return {pixel.flux, pixel.bright, false};
        case SpectralChannel::continuum:
            return {pixel.continuum, pixel.bright, false};
        case SpectralChannel::sharp_lines:
        case SpectralChannel::derivative:
            return {excess.mean, sharp_unit_squared(pixel.continuum, excess), true};
        case SpectralChannel::broad_lines:
            return {excess.mean, smooth_unit_squared(pixel.continuum, excess), true};
        case SpectralChannel::continuum_normalised:
            return {pixel.flux - pixel.continuum, sharp_unit_squared(pixel.continuum, Excess{}),
                    true};
        case SpectralChannel::inverse_variance:
            return {pixel.weight, pixel.typical_weight, false};
        case SpectralChannel::good_pixels:
            return {pixel.weight > 0 ? beyond : -beyond, 1.0, false};
        case SpectralChannel::none:
            break;
    }
    return {-beyond, 1.0, false};
}

/// Level k of a channel begins at entry k - 1.
struct LevelTable {
    double starts[255];
};

struct LevelTables {
    LevelTable red;   ///< of shape / F
    LevelTable line;  ///< of an excess in its unit: green and blue
};

/// Computed once, on the host.
const LevelTables& level_tables();

/// The level of x: how many of the `starts` it reaches, 0 for NaN.
constexpr std::uint32_t level_of(const double* starts, double x) {
    std::uint32_t level = 0;
    for (std::uint32_t step = 128; step > 0; step /= 2) {
        level += step * static_cast<std::uint32_t>(starts[level + step - 1] <= x);
    }
    return level;
}

}  // namespace balmer::render::spectral
