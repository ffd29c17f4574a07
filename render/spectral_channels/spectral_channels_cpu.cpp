#include <algorithm>
#include <array>
#include <cmath>

#include "render/quantile.h"
#include "render/spectral_channels/spectral_channels.h"
#include "render/spectral_channels/spectral_channels_math.h"

namespace balmer::render {
namespace spectral {
namespace {

/// Levels 0..255 of asinh(gain x) / asinh(gain) on [low, high].
LevelTable asinh_levels(double gain, double low, double high, double tolerance) {
    LevelTable table{};
    for (int i = 0; i < 255; ++i) {
        const double value = low + (high - low) * (i + 0.5) / 255.0;
        table.starts[i] = std::sinh(value) / gain - tolerance;
    }
    return table;
}

}  // namespace

const LevelTables& level_tables() {
    static const LevelTables tables = [] {
        const double unit = std::asinh(4.0);
        // Level 128 of a line begins at an excess of 0: rounding errors must not tip it over.
        constexpr double rounding = 1e-6;
        return LevelTables{asinh_levels(4.0, -0.25 * unit, 1.5 * unit, 0.0),
                           asinh_levels(1.0, -4.0, 4.0, rounding)};
    }();
    return tables;
}

}  // namespace spectral

namespace {

using namespace spectral;

/// Calls `store(i + 1, sums)` with the sums of `values(i)` up to each pixel i, in the order that
/// tile_pixels states.
template <std::size_t count, class Values, class Store>
void prefix_sums(std::int64_t n, const Values& values, const Store& store) {
    std::array<double, count> before{};
    for (std::int64_t begin = 0; begin < n; begin += tile_pixels) {
        const std::int64_t end = std::min(n, begin + tile_pixels);
        std::array<double, count> tile{};
        std::array<double, count> sums{};
        for (std::int64_t i = begin; i < end; ++i) {
            const std::array<double, count> value = values(i);
            for (std::size_t s = 0; s < count; ++s) {
                tile[s] += value[s];
                sums[s] = before[s] + tile[s];
            }
            store(i + 1, sums);
        }
        before = sums;
    }
}

}  // namespace

std::span<const Pixel> SpectralChannels::pixels(const SpectrumRow& row,
                                                const ImageOptions& options) {
    gather(row);
    pixels_.assign(row.pixels, Pixel{});
    if (good_ == 0) return pixels_;
    estimate_weights();
    fit_weight_ = weight_;
    std::fill(continuum_.begin(), continuum_.end(), 0.0);
    fit_continuum();
    for (int i = 0; i < rejections; ++i) {
        reject_outliers();
        fit_continuum();
    }
    draw(shown_channels(options));
    return pixels_;
}

void SpectralChannels::gather(const SpectrumRow& row) {
    const std::int64_t n = row.pixels;
    weights_known_ = row.inverse_variance != nullptr;
    good_ = 0;
    sorted_.clear();
    flux_.resize(n);
    weight_.resize(n);
    continuum_.resize(n);
    line_sums_.resize(n + 1);
    weight_sums_.resize(n + 1);
    product_sums_.resize(n + 1);
    for (std::int64_t i = 0; i < n; ++i) {
        const float weight = weights_known_ ? row.inverse_variance[i] : 1.0F;
        const bool is_good = row.is_good(i) && weight > 0.0F && std::isfinite(weight);
        flux_[i] = is_good ? row.flux[i] : 0.0;
        weight_[i] = is_good ? weight : 0.0;
        if (is_good) sorted_.push_back(std::abs(row.flux[i]));
    }
    good_ = static_cast<std::int64_t>(sorted_.size());
    const double limit = brightest * quantile(sorted_, bright_quantile);
    if (limit > 0) {
        for (double& flux : flux_) flux = std::clamp(flux, -limit, limit);
    }
}

void SpectralChannels::estimate_weights() {
    const auto n = static_cast<std::int64_t>(flux_.size());
    if (weights_known_) {
        sorted_.clear();
        for (const double weight : weight_) {
            if (weight > 0) sorted_.push_back(static_cast<float>(weight));
        }
        const double limit = largest_relative_weight * quantile(sorted_, 0.5);
        for (double& weight : weight_) weight = std::min(weight, limit);
        return;
    }
    // The difference of two neighbours has twice the variance of one pixel.
    double brightness = 0;
    prefix_sums<3>(
        n,
        [&](std::int64_t i) -> std::array<double, 3> {
            const bool is_pair = i > 0 && weight_[i] > 0 && weight_[i - 1] > 0;
            const double difference = is_pair ? flux_[i] - flux_[i - 1] : 0.0;
            return {0.5 * difference * difference, is_pair ? 1.0 : 0.0, std::abs(flux_[i])};
        },
        [&](std::int64_t i, const std::array<double, 3>& sums) {
            product_sums_[i] = sums[0];
            weight_sums_[i] = sums[1];
            brightness = sums[2];
        });
    const double deviation = faintest_noise * brightness / static_cast<double>(good_);
    const double least = deviation * deviation;
    for (std::int64_t i = 0; i < n; ++i) {
        if (weight_[i] == 0) continue;
        const Window window(i, continuum_reach, n);
        const double pairs = window.sum(weight_sums_.data());
        const double variance =
            std::max(least, pairs > 0 ? window.sum(product_sums_.data()) / pairs : 0.0);
        weight_[i] = variance > 0 ? 1.0 / variance : 1.0;
    }
}

void SpectralChannels::fit_continuum() {
    const auto n = static_cast<std::int64_t>(flux_.size());
    prefix_sums<5>(
        n,
        [&](std::int64_t i) -> std::array<double, 5> {
            const auto x = static_cast<double>(i);
            const double w = fit_weight_[i];
            return {w, w * x, w * x * x, w * flux_[i], w * x * flux_[i]};
        },
        [&](std::int64_t i, const std::array<double, 5>& sums) {
            line_sums_[i] = {sums[0], sums[1], sums[2], sums[3], sums[4]};
        });
    for (std::int64_t i = 0; i < n; ++i) {
        const Window window(i, continuum_reach, n);
        const LineSums& low = line_sums_[window.begin];
        const LineSums& high = line_sums_[window.end];
        const LineSums sums = {high.w - low.w, high.wx - low.wx, high.wxx - low.wxx,
                               high.wf - low.wf, high.wxf - low.wxf};
        if (sums.w > 0) continuum_[i] = line_at(sums, static_cast<double>(i));
    }
}

void SpectralChannels::reject_outliers() {
    const auto n = static_cast<std::int64_t>(flux_.size());
    prefix_sums<2>(
        n,
        [&](std::int64_t i) -> std::array<double, 2> {
            const double residual = flux_[i] - continuum_[i];
            return {fit_weight_[i], fit_weight_[i] * residual * residual};
        },
        [&](std::int64_t i, const std::array<double, 2>& sums) {
            weight_sums_[i] = sums[0];
            product_sums_[i] = sums[1];
        });
    for (std::int64_t i = 0; i < n; ++i) {
        if (weight_[i] == 0) continue;
        const Window window(i, continuum_reach, n);
        const double residual = flux_[i] - continuum_[i];
        const double limit = rejection_limit * rejection_limit * window.sum(product_sums_.data());
        const bool is_outlier = residual * residual * window.sum(weight_sums_.data()) > limit;
        fit_weight_[i] = is_outlier ? 0.0 : weight_[i];
    }
}

void SpectralChannels::draw(const ShownChannels& shown) {
    const auto n = static_cast<std::int64_t>(flux_.size());
    prefix_sums<2>(
        n,
        [&](std::int64_t i) -> std::array<double, 2> {
            return {weight_[i], weight_[i] * (flux_[i] - continuum_[i])};
        },
        [&](std::int64_t i, const std::array<double, 2>& sums) {
            weight_sums_[i] = sums[0];
            product_sums_[i] = sums[1];
        });
    const auto excess = [&](std::int64_t i, std::int64_t reach) {
        const Window window(i, reach, n);
        return excess_of(window.sum(weight_sums_.data()), window.sum(product_sums_.data()));
    };
    sorted_.clear();
    std::vector<double>& shape = fit_weight_;
    for (std::int64_t i = 0; i < n; ++i) {
        shape[i] = shape_of(continuum_[i], excess(i, smooth_reach));
        if (weight_[i] > 0) sorted_.push_back(static_cast<float>(std::abs(shape[i])));
    }
    const double bright = quantile(sorted_, bright_quantile);
    double typical_weight = 0.0;
    if (shown.has(SpectralChannel::inverse_variance)) {
        sorted_.clear();
        for (const double weight : weight_) {
            if (weight > 0) sorted_.push_back(static_cast<float>(weight));
        }
        typical_weight = quantile(sorted_, 0.5);
    }
    const auto excess_in = [&](SpectralChannel channel, std::int64_t i) {
        if (weight_[i] == 0) return Excess{};
        if (channel == SpectralChannel::sharp_lines) return excess(i, sharp_reach);
        if (channel == SpectralChannel::broad_lines) return excess(i, smooth_reach);
        const bool has_slope = channel == SpectralChannel::derivative && i > 0 && i + 1 < n &&
                               weight_[i - 1] > 0 && weight_[i + 1] > 0;
        return has_slope ? slope_of(flux_[i + 1] - flux_[i - 1], weight_[i - 1], weight_[i + 1])
                         : Excess{};
    };
    const LevelTables& tables = level_tables();
    const auto draw_pixel = [&](std::int64_t i) {
        const PixelNumbers pixel = {weight_[i] > 0 ? flux_[i] : continuum_[i],
                                    continuum_[i],
                                    shape[i],
                                    weight_[i],
                                    bright,
                                    typical_weight};
        for (int c = 0; c < 3; ++c) {
            const SpectralChannel channel = shown.channels[c];
            const Shown number = shown_in(channel, pixel, excess_in(channel, i));
            const double unit = number.is_line ? std::sqrt(number.unit) : number.unit;
            const LevelTable& table = number.is_line ? tables.line : tables.red;
            pixels_[i][c] =
                static_cast<std::uint8_t>(level_of(table.starts, ratio(number.value, unit)));
        }
    };
    std::int64_t last_good = -1;
    for (std::int64_t i = 0; i < n; ++i) {
        if (weight_[i] == 0) continue;
        const bool is_bridged = last_good >= 0 && i - last_good - 1 <= shown.longest_bridged_hole;
        for (std::int64_t j = is_bridged ? last_good + 1 : i; j <= i; ++j) draw_pixel(j);
        last_good = i;
    }
}

}  // namespace balmer::render
