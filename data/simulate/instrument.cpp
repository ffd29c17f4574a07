#include "data/simulate/instrument.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "data/simulate/dust.h"
#include "data/simulate/lines.h"

namespace balmer::data::simulation {
namespace {

constexpr double pi = 3.14159265358979;

/// Sky-limited noise between the sky lines relative to that at 5200 A: throughput and sky
/// continuum of the instrument in one curve.
constexpr NoisePoint boss_noise[] = {
    {3540, 13.0}, {3560, 11.7}, {3600, 9.04},  {3650, 7.6},  {3700, 5.4},  {3750, 4.26},
    {3800, 3.29}, {3850, 2.82}, {3900, 2.43},  {4000, 2.2},  {4100, 1.85}, {4200, 1.66},
    {4400, 1.44}, {4600, 1.27}, {4800, 1.15},  {5000, 1.07}, {5200, 0.97}, {5600, 0.97},
    {5800, 1.06}, {5950, 1.19}, {6100, 1.08},  {6300, 0.95}, {6500, 0.75}, {7000, 0.64},
    {7500, 0.58}, {8000, 0.58}, {8500, 0.58},  {9000, 0.58}, {9200, 0.59}, {9500, 0.70},
    {9800, 1.0},  {9900, 1.1},  {10000, 1.35}, {10100, 2.0}, {10200, 3.5}, {10300, 6.0},
    {10400, 10.0}};
constexpr NoisePoint legacy_noise[] = {
    {3780, 3.9},  {3800, 3.37}, {3850, 2.77}, {3900, 2.47}, {4000, 1.96},
    {4100, 1.7},  {4200, 1.52}, {4400, 1.37}, {4600, 1.2},  {4800, 1.11},
    {5000, 1.05}, {5200, 0.98}, {5600, 0.99}, {5800, 1.12}, {5900, 1.05},
    {6000, 0.93}, {6100, 0.82}, {6300, 0.74}, {6500, 0.65}, {7000, 0.63},
    {7500, 0.60}, {8000, 0.65}, {8500, 0.75}, {9000, 1.05}, {9250, 1.35}};
constexpr NoisePoint lamost_noise[] = {
    {3690, 10.5}, {3700, 9.9},  {3750, 7.54}, {3800, 6.5},  {3850, 5.2},  {3900, 4.3},
    {4000, 3.3},  {4100, 2.85}, {4200, 2.3},  {4400, 1.73}, {4600, 1.38}, {4800, 1.15},
    {5000, 1.05}, {5200, 0.97}, {5400, 0.96}, {5600, 1.04}, {5800, 1.14}, {5900, 0.97},
    {6000, 0.82}, {6300, 0.71}, {6500, 0.56}, {7000, 0.44}, {7500, 0.38}, {8000, 0.38},
    {8500, 0.40}, {9000, 0.49}, {9110, 0.6}};

/// Sky lines through the instrument, in units of the sky continuum, on `count` survey pixels.
std::vector<double> sky_line_spectrum(std::int64_t first_pixel, std::int64_t count) {
    std::vector<double> sky(static_cast<std::size_t>(count));
    for (const SkyLine& line : sky_lines()) {
        const double center = std::log10(line.wavelength) * 1e4 - static_cast<double>(first_pixel);
        const auto middle = static_cast<std::int64_t>(std::floor(center));
        for (std::int64_t i = std::max<std::int64_t>(0, middle - 5);
             i < std::min(count, middle + 7); ++i) {
            const double x = (static_cast<double>(i) - center) / 1.05;
            sky[static_cast<std::size_t>(i)] += line.strength * std::exp(-0.5 * x * x);
        }
    }
    return sky;
}

/// Telluric absorption that is left after correction: band edges (A) and relative strength.
struct TelluricBand {
    double begin, end, strength;
};
constexpr TelluricBand telluric_bands[] = {{6867, 6945, 0.35}, {7160, 7340, 0.15},
                                           {7594, 7700, 1.0},  {8130, 8350, 0.2},
                                           {8940, 9160, 0.3},  {9300, 9640, 0.7}};

/// Survey pixels: the mean of the fine pixels they cover.
std::vector<double> rebin(const std::vector<double>& fine, std::int64_t first_pixel,
                          std::int64_t count) {
    std::vector<double> coarse(static_cast<std::size_t>(count));
    const auto start = static_cast<std::int64_t>(std::llround(observed_grid.start * 1e4));
    for (std::int64_t i = 0; i < count; ++i) {
        const auto k = static_cast<std::size_t>(2 * (first_pixel + i - start));
        coarse[static_cast<std::size_t>(i)] =
            0.25 * fine[k - 1] + 0.5 * fine[k] + 0.25 * fine[k + 1];
    }
    return coarse;
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace

double noise_at(std::span<const NoisePoint> curve, double wavelength) {
    if (wavelength <= curve.front().wavelength) return curve.front().noise;
    for (std::size_t k = 1; k < curve.size(); ++k) {
        if (wavelength > curve[k].wavelength) continue;
        const double share = (wavelength - curve[k - 1].wavelength) /
                             (curve[k].wavelength - curve[k - 1].wavelength);
        return curve[k - 1].noise + share * (curve[k].noise - curve[k - 1].noise);
    }
    return curve.back().noise;
}

/// Smooth calibration error: a tilt, a few long waves, and for split instruments a step where the
/// arms meet.
void miscalibrate(Random& random, std::vector<double>& flux, Instrument instrument) {
    const bool lamost = instrument == Instrument::lamost;
    const double tilt = (lamost ? 0.20 : 0.07) * random.normal();
    std::array<double, 4> amplitude{};
    std::array<double, 4> phase{};
    for (std::size_t k = 0; k < 4; ++k) {
        amplitude[k] = (lamost ? 0.04 : 0.018) * random.normal() / static_cast<double>(k + 1);
        phase[k] = random.uniform(0.0, 2.0 * pi);
    }
    const double step = (lamost ? 0.04 : 0.01) * random.normal();
    const double residual = (lamost ? 0.06 : 0.03) * random.normal();
    // Foreground dust of the Milky Way, E(B-V): surveys keep away from the plane, mostly.
    double dust = 0.035 * std::exp(0.7 * random.normal());
    if (lamost) dust += random.uniform(0.0, 0.25);
    if (random.uniform() < 0.04) dust += random.uniform(0.1, lamost ? 1.0 : 0.6);
    for (std::int64_t i = 0; i < observed_grid.size; ++i) {
        const double wavelength = observed_grid.wavelength(i);
        const double x = (std::log10(wavelength) - 3.77) / 0.24;
        double log_error = tilt * x;
        for (std::size_t k = 0; k < 4; ++k)
            log_error +=
                amplitude[k] * std::sin(pi * (static_cast<double>(k) + 1.5) * x + phase[k]);
        log_error += step / (1.0 + std::exp((wavelength - 5900.0) / 60.0));
        for (const TelluricBand& band : telluric_bands)
            if (wavelength > band.begin && wavelength < band.end)
                log_error += residual * band.strength *
                             std::sin(pi * (wavelength - band.begin) / (band.end - band.begin));
        flux[static_cast<std::size_t>(i)] *=
            std::exp(log_error - 0.921 * dust * milky_way_extinction(wavelength));
    }
}

Exposure observe(Random& random, std::vector<double> flux, Instrument instrument,
                 double signal_to_noise) {
    const bool lamost = instrument == Instrument::lamost;
    const bool legacy = instrument == Instrument::sdss_legacy;
    miscalibrate(random, flux, instrument);
    const double dispersion = random.uniform(0.85, 1.05);
    gaussian_smooth(flux, 2.0 * std::sqrt(dispersion * dispersion - 0.2));

    Exposure exposure;
    const std::int64_t jitter = random.below(60);
    exposure.first_pixel = lamost ? 35682 : legacy ? 35786 + jitter : 35506 + jitter;
    const std::int64_t count = lamost   ? 3909 - static_cast<std::int64_t>(random.below(8))
                               : legacy ? 3790 + static_cast<std::int64_t>(random.below(60))
                                        : 4570 + static_cast<std::int64_t>(random.below(60));
    const auto pixels = static_cast<std::size_t>(count);
    std::vector<double> signal = rebin(flux, exposure.first_pixel, count);

    // Noise of an empty fibre, in the survey's flux unit at 5200 A.
    const double noise_unit = lamost   ? std::exp(1.2 + 0.8 * random.normal())
                              : legacy ? 1.15 * std::exp(0.35 * random.normal())
                                       : 0.33 * std::exp(0.28 * random.normal());
    const double photon = (lamost   ? 0.12
                           : legacy ? 0.05
                                    : 0.022) *
                          noise_unit /
                          (lamost   ? 1.0
                           : legacy ? 1.15
                                    : 0.33);
    const std::vector<double> lines = sky_line_spectrum(exposure.first_pixel, count);
    const double line_level = std::exp(0.3 * random.normal());
    std::vector<double> base(pixels);
    std::vector<double> empty(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
        const double wavelength =
            std::pow(10.0, exposure.log10_wavelength(static_cast<std::int64_t>(i)));
        base[i] = noise_at(lamost   ? std::span<const NoisePoint>(lamost_noise)
                           : legacy ? std::span<const NoisePoint>(legacy_noise)
                                    : std::span<const NoisePoint>(boss_noise),
                           wavelength);
        // Sky lines lose contrast with the square of the noise curve: both pass the same optics.
        const double red = wavelength > 9250.0 ? 0.75 : wavelength > 6200.0 ? 0.47 : 1.3;
        const double edge = std::max(1.0, base[i] * base[i]);
        empty[i] = noise_unit * noise_unit *
                   (base[i] * base[i] + (lamost ? 0.12 : red) * line_level * lines[i] * edge);
    }

    // Scale the light so that the median signal-to-noise is the one asked for.
    double scale = 1.0;
    {
        std::vector<double> ratio(pixels);
        double typical = 0.0;
        for (double value : signal) typical += value;
        typical = std::max(typical / static_cast<double>(pixels), 1e-30);
        scale = signal_to_noise * noise_unit / typical;
        for (int iteration = 0; iteration < 12; ++iteration) {
            for (std::size_t i = 0; i < pixels; ++i) {
                const double light = scale * signal[i];
                ratio[i] = light / std::sqrt(empty[i] + photon * base[i] * std::max(0.0, light));
            }
            scale *= std::clamp(signal_to_noise / std::max(median(ratio), 1e-3), 0.2, 5.0);
        }
    }

    exposure.flux.resize(pixels);
    exposure.truth.resize(pixels);
    exposure.inverse_variance.resize(pixels);
    exposure.sky.resize(pixels);
    exposure.dispersion.resize(pixels);
    exposure.and_mask.assign(pixels, 0);
    exposure.or_mask.assign(pixels, 0);
    const double sky_level = (lamost ? 3.0 : legacy ? 5.0 : 3.0) * noise_unit;
    for (std::size_t i = 0; i < pixels; ++i) {
        const double light = scale * signal[i];
        const double variance = empty[i] + photon * base[i] * std::max(0.0, light);
        exposure.truth[i] = static_cast<float>(light);
        exposure.flux[i] = static_cast<float>(light + std::sqrt(variance) * random.normal());
        exposure.inverse_variance[i] = static_cast<float>(1.0 / variance);
        exposure.sky[i] = static_cast<float>(sky_level * (1.0 + line_level * lines[i]));
        const double x = static_cast<double>(i) / static_cast<double>(pixels);
        exposure.dispersion[i] =
            static_cast<float>(dispersion + 0.12 * (x - 0.5) * (x - 0.5) - 0.02);
        if (lines[i] > 6.0) exposure.or_mask[i] |= 1 << bright_sky;
        if (lines[i] > 40.0) exposure.and_mask[i] |= 1 << bright_sky;
    }

    // Sky lines that the sky model missed: excess beyond the stated variance, at 5577 A above all.
    for (std::size_t i = 0; i < pixels; ++i) {
        const double wavelength =
            std::pow(10.0, exposure.log10_wavelength(static_cast<std::int64_t>(i)));
        const bool oxygen = std::abs(wavelength - 5578.9) < 5.0;
        const bool sodium = std::abs(wavelength - 5894.0) < 7.0;
        if (oxygen || (sodium && random.uniform() < 0.3)) {
            exposure.and_mask[i] |= 1 << bright_sky;
            exposure.flux[i] += static_cast<float>((oxygen ? 3.0 : 1.5) * random.normal() /
                                                   std::sqrt(exposure.inverse_variance[i]));
        }
    }
    // Dead columns and cosmic rays.
    const auto dead = random.below(4);
    for (std::uint64_t k = 0; k < dead; ++k) {
        const auto at = random.below(pixels);
        for (std::uint64_t i = at; i < std::min<std::uint64_t>(pixels, at + 1 + random.below(4));
             ++i) {
            exposure.inverse_variance[i] = 0.0F;
            exposure.flux[i] = exposure.flux[at > 0 ? at - 1 : 0];
            exposure.and_mask[i] |= 1 << full_reject;
            exposure.or_mask[i] |= 1 << full_reject;
        }
    }
    const auto rays = random.uniform() < 0.25 ? 1 + random.below(2) : 0;
    for (std::uint64_t k = 0; k < rays; ++k) {
        const auto at = random.below(pixels);
        if (exposure.inverse_variance[at] > 0.0F)
            exposure.flux[at] += static_cast<float>(random.uniform(6.0, 25.0) /
                                                    std::sqrt(exposure.inverse_variance[at]));
        exposure.or_mask[at] |= 1 << combine_rejected;
    }
    // A fibre-level flag in a few SDSS spectra (SPPIXMASK bit 4, a warm neighbour).
    if (!lamost && random.uniform() < 0.012)
        for (std::size_t i = 0; i < pixels; ++i) exposure.and_mask[i] |= 1 << 4;
    for (std::size_t i = 0; i < pixels; ++i) exposure.or_mask[i] |= exposure.and_mask[i];
    return exposure;
}

}  // namespace balmer::data::simulation
