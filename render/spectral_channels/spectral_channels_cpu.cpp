#include <algorithm>
#include <cmath>

#include "render/spectral_channels/spectral_channels.h"

namespace balmer::render {
namespace {

constexpr std::int64_t continuum_reach = 150;  // pixels either side: 301 in all
constexpr std::int64_t sharp_reach = 1;        // 3
constexpr std::int64_t smooth_reach = 6;       // 13
constexpr std::int64_t longest_bridged_hole = 64;
constexpr int rejections = 2;
constexpr double rejection_limit = 2.0;           // in units of the local scatter
constexpr double largest_relative_weight = 10.0;  // of the median weight
constexpr double brightest = 1e3;                 // of the 95th percentile

/// asinh to the accuracy of a pixel's level, for finite and infinite x.
float compressed(double x) {
    const auto magnitude = static_cast<float>(std::min(std::abs(x), 1e9));
    return std::copysign(std::log(magnitude + std::sqrt(magnitude * magnitude + 1.0F)),
                         static_cast<float>(std::clamp(x, -1.0, 1.0)));
}

/// The level 0..255 of `value` in [low, high].
std::uint8_t level_of(float value, float low, float high) {
    const float scaled = std::clamp((value - low) / (high - low), 0.0F, 1.0F);
    return static_cast<std::uint8_t>(std::nearbyint(scaled * 255.0F));
}

float red_scale(double share) {
    static const float unit = compressed(4.0);
    return compressed(4.0 * share) / unit;
}

/// Flux above the continuum, averaged over some pixels, and the variance of that mean.
struct Excess {
    double mean = 0;
    double variance = 0;
};

/// `mean` in units of `scale`, or of its noise where that is larger.
double ratio(double mean, double scale, double variance) {
    const double unit = std::sqrt(scale * scale + variance);
    return unit > 0 ? mean / unit : 0.0;
}

/// The q-th quantile (0..1) of `values`, which it reorders; 0 if there are none.
double quantile(std::vector<float>& values, double q) {
    if (values.empty()) return 0.0;
    const auto at =
        values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

/// The pixels around i, clipped to the spectrum: [begin, end).
struct Window {
    std::int64_t begin;
    std::int64_t end;
    Window(std::int64_t i, std::int64_t reach, std::int64_t pixels)
        : begin(std::max<std::int64_t>(0, i - reach)), end(std::min(pixels, i + reach + 1)) {}

    double sum(const std::vector<double>& sums) const { return sums[end] - sums[begin]; }
};

}  // namespace

std::span<const Pixel> SpectralChannels::pixels(const SpectrumRow& row) {
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
    draw();
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
    const double limit = brightest * quantile(sorted_, 0.95);
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
    double squares = 0;
    double brightness = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const bool is_pair = i > 0 && weight_[i] > 0 && weight_[i - 1] > 0;
        const double difference = is_pair ? flux_[i] - flux_[i - 1] : 0.0;
        squares += 0.5 * difference * difference;
        product_sums_[i + 1] = squares;
        weight_sums_[i + 1] = weight_sums_[i] + (is_pair ? 1.0 : 0.0);
        brightness += std::abs(flux_[i]);
    }
    const double least = std::pow(1e-3 * brightness / static_cast<double>(good_), 2);
    for (std::int64_t i = 0; i < n; ++i) {
        if (weight_[i] == 0) continue;
        const Window window(i, continuum_reach, n);
        const double pairs = window.sum(weight_sums_);
        const double variance =
            std::max(least, pairs > 0 ? window.sum(product_sums_) / pairs : 0.0);
        weight_[i] = variance > 0 ? 1.0 / variance : 1.0;
    }
}

void SpectralChannels::fit_continuum() {
    const auto n = static_cast<std::int64_t>(flux_.size());
    LineSums sums;
    for (std::int64_t i = 0; i < n; ++i) {
        const auto x = static_cast<double>(i);
        const double w = fit_weight_[i];
        sums.w += w;
        sums.wx += w * x;
        sums.wxx += w * x * x;
        sums.wf += w * flux_[i];
        sums.wxf += w * x * flux_[i];
        line_sums_[i + 1] = sums;
    }
    for (std::int64_t i = 0; i < n; ++i) {
        const Window window(i, continuum_reach, n);
        const LineSums& low = line_sums_[window.begin];
        const LineSums& high = line_sums_[window.end];
        const double w = high.w - low.w;
        if (w <= 0) continue;
        const auto here = static_cast<double>(i);
        const double x = (high.wx - low.wx) / w - here;  // the window's centroid
        const double f = (high.wf - low.wf) / w;
        const double xx = (high.wxx - low.wxx) / w - 2 * here * (x + here) + here * here;
        const double xf = (high.wxf - low.wxf) / w - here * f;
        const double spread = xx - x * x;
        // A slope from a narrow or one-sided window would extrapolate noise.
        const bool is_line = spread > 1.0 && std::abs(x) < 0.6 * continuum_reach;
        continuum_[i] = is_line ? f - x * (xf - x * f) / spread : f;
    }
}

void SpectralChannels::reject_outliers() {
    const auto n = static_cast<std::int64_t>(flux_.size());
    for (std::int64_t i = 0; i < n; ++i) {
        const double residual = flux_[i] - continuum_[i];
        weight_sums_[i + 1] = weight_sums_[i] + fit_weight_[i];
        product_sums_[i + 1] = product_sums_[i] + fit_weight_[i] * residual * residual;
    }
    for (std::int64_t i = 0; i < n; ++i) {
        if (weight_[i] == 0) continue;
        const Window window(i, continuum_reach, n);
        const double residual = flux_[i] - continuum_[i];
        const double limit = rejection_limit * rejection_limit * window.sum(product_sums_);
        const bool is_outlier = residual * residual * window.sum(weight_sums_) > limit;
        fit_weight_[i] = is_outlier ? 0.0 : weight_[i];
    }
}

void SpectralChannels::draw() {
    const auto n = static_cast<std::int64_t>(flux_.size());
    for (std::int64_t i = 0; i < n; ++i) {
        weight_sums_[i + 1] = weight_sums_[i] + weight_[i];
        product_sums_[i + 1] = product_sums_[i] + weight_[i] * (flux_[i] - continuum_[i]);
    }
    const auto excess = [&](std::int64_t i, std::int64_t reach) {
        const Window window(i, reach, n);
        const double w = window.sum(weight_sums_);
        return w > 0 ? Excess{window.sum(product_sums_) / w, 1.0 / w} : Excess{};
    };
    sorted_.clear();
    std::vector<double>& shape = fit_weight_;
    for (std::int64_t i = 0; i < n; ++i) {
        const auto [mean, variance] = excess(i, smooth_reach);
        const double square = mean * mean;
        shape[i] = continuum_[i];
        if (square > 0) shape[i] += mean * square / (square + 4.0 * variance);
        if (weight_[i] > 0) sorted_.push_back(static_cast<float>(std::abs(shape[i])));
    }
    const double bright = quantile(sorted_, 0.95);
    const auto draw_pixel = [&](std::int64_t i) {
        const double level = continuum_[i];
        pixels_[i][0] = level_of(red_scale(bright > 0 ? shape[i] / bright : 0.0), -0.25F, 1.5F);
        const bool is_good = weight_[i] > 0;
        const auto [sharp, sharp_variance] = is_good ? excess(i, sharp_reach) : Excess{};
        const auto [smooth, smooth_variance] = is_good ? excess(i, smooth_reach) : Excess{};
        pixels_[i][1] = level_of(compressed(ratio(sharp, 0.1 * level, sharp_variance)), -4, 4);
        pixels_[i][2] =
            level_of(compressed(ratio(smooth, 0.06 * level, 9.0 * smooth_variance)), -4, 4);
    };
    std::int64_t last_good = -1;
    for (std::int64_t i = 0; i < n; ++i) {
        if (weight_[i] == 0) continue;
        const bool is_bridged = last_good >= 0 && i - last_good - 1 <= longest_bridged_hole;
        for (std::int64_t j = is_bridged ? last_good + 1 : i; j <= i; ++j) draw_pixel(j);
        last_good = i;
    }
}

}  // namespace balmer::render
