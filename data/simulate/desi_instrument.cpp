#include "data/simulate/desi_instrument.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "data/simulate/instrument.h"
#include "data/simulate/lines.h"
#include "data/simulate/spectral_grid.h"

namespace balmer::data::simulation {
namespace {

/// Noise (1e-17 erg/s/cm2/A) of an empty fibre between the sky lines.
constexpr NoisePoint blue_noise[] = {{3600, 2.2},  {3650, 1.62}, {3750, 1.02}, {3850, 0.76},
                                     {3950, 0.63}, {4050, 0.61}, {4250, 0.47}, {4450, 0.42},
                                     {4750, 0.36}, {5050, 0.30}, {5450, 0.26}, {5650, 0.26},
                                     {5750, 0.30}, {5800, 0.95}};
constexpr NoisePoint red_noise[] = {{5760, 0.90}, {5790, 0.28}, {5850, 0.20}, {6050, 0.18},
                                    {6350, 0.16}, {6650, 0.14}, {7150, 0.13}, {7550, 0.13},
                                    {7580, 0.20}, {7620, 0.80}};
constexpr NoisePoint infrared_noise[] = {{7520, 0.60}, {7560, 0.20}, {7650, 0.12},
                                         {7950, 0.10}, {8350, 0.09}, {9250, 0.09},
                                         {9350, 0.11}, {9750, 0.12}, {9824, 0.15}};

struct ArmPlan {
    char name;
    std::int64_t first_pixel;
    std::size_t pixels;
    std::span<const NoisePoint> noise;
};
constexpr ArmPlan plans[] = {
    {'B', 0, 2751, blue_noise}, {'R', 2700, 2326, red_noise}, {'Z', 4900, 2881, infrared_noise}};

/// Fine flux at a wavelength, linear between its pixels.
double flux_at(const std::vector<double>& fine, double wavelength) {
    const double position = observed_grid.position(wavelength);
    const auto last = static_cast<double>(observed_grid.size - 2);
    const double floor = std::floor(std::clamp(position, 0.0, last));
    const auto k = static_cast<std::size_t>(floor);
    return fine[k] + (position - floor) * (fine[k + 1] - fine[k]);
}

/// Sky lines in units of the sky continuum, as a fibre of R ~ 3000-5000 sees them.
double sky_line_strength(double wavelength) {
    constexpr double sigma = 0.75;  // A
    double strength = 0.0;
    for (const SkyLine& line : sky_lines()) {
        const double x = (wavelength - line.wavelength) / sigma;
        if (std::abs(x) < 6.0) strength += 1.7 * line.strength * std::exp(-0.5 * x * x);
    }
    return strength;
}

struct Pixels {
    std::vector<double> light;
    std::vector<double> empty;  ///< variance without the object
    std::vector<double> noise;
};

double variance_of(const Pixels& pixels, std::size_t i, double scale) {
    constexpr double photon = 0.02;
    return pixels.empty[i] + photon * pixels.noise[i] * std::max(0.0, scale * pixels.light[i]);
}

/// The factor on the light that gives the median signal-to-noise asked for.
double scale_for(const Pixels& pixels, double signal_to_noise) {
    double typical = 0.0;
    for (const double value : pixels.light) typical += value;
    typical = std::max(typical / static_cast<double>(pixels.light.size()), 1e-30);
    double scale = 0.2 * signal_to_noise / typical;
    std::vector<double> ratio(pixels.light.size());
    for (int iteration = 0; iteration < 12; ++iteration) {
        for (std::size_t i = 0; i < ratio.size(); ++i) {
            ratio[i] = scale * pixels.light[i] / std::sqrt(variance_of(pixels, i, scale));
        }
        const auto middle = ratio.begin() + static_cast<std::ptrdiff_t>(ratio.size() / 2);
        std::nth_element(ratio.begin(), middle, ratio.end());
        scale *= std::clamp(signal_to_noise / std::max(*middle, 1e-3), 0.2, 5.0);
    }
    return scale;
}

/// Cosmic rays and dead columns that the coaddition rejected in every exposure.
void reject_pixels(Random& random, DesiArm& arm) {
    constexpr std::uint32_t all_bad = 1U << 1;  // desispec's specmask ALLBADPIX
    const auto defects = random.below(3);
    for (std::uint64_t k = 0; k < defects; ++k) {
        const auto first = random.below(arm.flux.size());
        const auto end = std::min<std::uint64_t>(arm.flux.size(), first + 1 + random.below(4));
        for (std::uint64_t i = first; i < end; ++i) {
            arm.mask[i] |= all_bad;
            arm.inverse_variance[i] = 0.0F;
        }
    }
}

}  // namespace

std::vector<double> DesiArm::wavelengths() const {
    std::vector<double> all(flux.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = wavelength(i);
    return all;
}

std::array<DesiArm, 3> observe_desi(Random& random, std::vector<double> flux,
                                    double signal_to_noise) {
    miscalibrate(random, flux, Instrument::boss);
    gaussian_smooth(flux, random.uniform(1.1, 1.4));
    const double depth = std::exp(0.35 * random.normal());
    const double line_level = std::exp(0.3 * random.normal());

    std::array<DesiArm, 3> arms;
    Pixels pixels;
    for (std::size_t a = 0; a < arms.size(); ++a) {
        const ArmPlan& plan = plans[a];
        arms[a].name = plan.name;
        arms[a].first_pixel = plan.first_pixel;
        for (std::size_t i = 0; i < plan.pixels; ++i) {
            const double wavelength = arms[a].wavelength(i);
            const double noise = depth * noise_at(plan.noise, wavelength);
            pixels.light.push_back(flux_at(flux, wavelength));
            pixels.noise.push_back(noise);
            pixels.empty.push_back(noise * noise *
                                   (1.0 + line_level * sky_line_strength(wavelength)));
        }
    }
    const double scale = scale_for(pixels, signal_to_noise);
    std::size_t i = 0;
    for (std::size_t a = 0; a < arms.size(); ++a) {
        DesiArm& arm = arms[a];
        for (const std::size_t end = i + plans[a].pixels; i < end; ++i) {
            const double variance = variance_of(pixels, i, scale);
            arm.flux.push_back(static_cast<float>(scale * pixels.light[i] +
                                                  std::sqrt(variance) * random.normal()));
            arm.inverse_variance.push_back(static_cast<float>(1.0 / variance));
        }
        arm.mask.assign(arm.flux.size(), 0);
        reject_pixels(random, arm);
    }
    return arms;
}

}  // namespace balmer::data::simulation
