// Quasars: power laws, Balmer continuum, Fe II, broad and narrow lines, host galaxy, dust,
// intergalactic and intrinsic absorption.
// Continuum slopes and lines: Vanden Berk et al. 2001, AJ 122, 549. Forest: mean transmission of
// Faucher-Giguere et al. 2008, ApJ 681, 831 (tau = 0.0018 (1 + z)^3.92). Broad absorption: Weymann
// et al. 1991, ApJ 373, 23. Lyman-limit systems per redshift: Songaila & Cowie 2010, ApJ 721, 1448.
#include <algorithm>
#include <cmath>

#include "data/simulate/absorption.h"
#include "data/simulate/dust.h"
#include "data/simulate/lines.h"
#include "data/simulate/source.h"

namespace balmer::data::simulation {
namespace {

double draw_redshift(Random& random, Sample sample) {
    const double u = random.uniform();
    if (sample == Sample::boss) {
        if (u < 0.50) return std::clamp(2.45 + 0.40 * random.normal(), 0.05, 5.0);
        if (u < 0.62) return random.uniform(0.15, 0.8);
        if (u < 0.94) return random.uniform(0.3, 2.6);
        return random.uniform(2.8, 4.7);
    }
    if (u < 0.25) return random.uniform(0.05, 0.8);
    if (u < 0.90) return random.uniform(0.3, 2.3);
    return random.uniform(2.3, sample == Sample::legacy ? 4.8 : 3.5);
}

/// Fe II emission as Gaussians (A, rest; relative strength): multiplets of Veron-Cetty et al. 2004,
/// A&A 417, 515 in the optical, bumps of Vestergaard & Wilkes 2001, ApJS 134, 1 in the ultraviolet.
struct IronFeature {
    double wavelength, sigma, strength;
};
constexpr IronFeature optical_iron[] = {
    {4490.6, 2, 0.6}, {4509.5, 2, 0.7}, {4516.6, 2, 0.7}, {4521.5, 2, 0.8}, {4523.9, 2, 0.9},
    {4542.8, 2, 0.4}, {4550.7, 2, 1.3}, {4557.2, 2, 0.8}, {4577.6, 2, 0.4}, {4585.1, 2, 1.4},
    {4630.6, 2, 1.0}, {4667.9, 2, 0.4}, {4732.8, 2, 0.3}, {4925.3, 2, 1.2}, {5019.8, 2, 1.6},
    {5170.5, 2, 2.0}, {5199.0, 2, 1.2}, {5236.1, 2, 1.3}, {5266.3, 2, 0.8}, {5277.5, 2, 1.8},
    {5318.1, 2, 2.0}, {5364.4, 2, 0.8}, {5415.6, 2, 0.4}, {5426.8, 2, 0.4}, {5536.4, 2, 0.6},
    {4179.9, 2, 0.5}, {4234.4, 2, 0.9}, {4297.8, 2, 0.5}, {4353.0, 2, 0.7}, {4418.0, 2, 0.5},
    {6149.4, 2, 0.2}, {6248.9, 2, 0.3}, {6458.2, 2, 0.4}};
constexpr IronFeature ultraviolet_iron[] = {
    {2080.0, 35, 0.9}, {2245.0, 40, 0.7},  {2330.0, 25, 1.2},  {2385.0, 22, 2.0}, {2420.0, 25, 1.5},
    {2480.0, 30, 1.9}, {2525.0, 20, 1.5},  {2570.0, 20, 1.4},  {2610.0, 20, 1.5}, {2630.0, 30, 0.8},
    {2740.0, 22, 1.2}, {2765.0, 20, 0.8},  {2840.0, 30, 0.6},  {2885.0, 28, 0.5}, {2950.0, 30, 0.5},
    {3000.0, 40, 0.3}, {3180.0, 50, 0.45}, {3280.0, 50, 0.35}, {3500.0, 60, 0.2}};

}  // namespace

Source draw_quasar(Random& random, Sample sample, const PopulationLibrary& populations) {
    Source source;
    source.object_class = "QSO";
    const double z = source.z = draw_redshift(random, sample);
    const double stretch = 1.0 + z;
    const auto pixels = static_cast<std::size_t>(observed_grid.size);

    // Luminosity relative to the typical quasar at this redshift, dex.
    const double luminosity = 0.4 * random.normal();
    // Quasars of BOSS look bluer: their fibres were placed for 4000 A, the calibration stars' for
    // 5400 A (Margala et al. 2016, ApJ 831, 157).
    const double offset = sample == Sample::boss ? -0.22 : 0.0;
    const double blue = -1.54 + offset + 0.28 * random.normal();
    const double red = std::max(blue, -0.45 + 0.3 * random.normal());
    const double ultraviolet = -1.0 + offset + 0.4 * random.normal();
    const double reddening = random.uniform() < 0.2 ? std::abs(0.08 * random.normal())
                                                    : std::abs(0.012 * random.normal());
    const auto continuum = [&](double rest) {
        // 1 at 3000 A; the ultraviolet bends at 1080 A, the optical at 5200 A.
        const double x = std::clamp(rest, 1080.0, 5200.0);
        double value = std::pow(x / 3000.0, blue);
        if (rest < 1080.0) value *= std::pow(rest / 1080.0, ultraviolet);
        if (rest > 5200.0) value *= std::pow(rest / 5200.0, red);
        return value;
    };

    std::vector<double> flux(pixels);
    for (std::size_t i = 0; i < pixels; ++i)
        flux[i] = continuum(observed_grid.wavelength(static_cast<std::int64_t>(i)) / stretch);

    // Balmer continuum, with the crowded high series smoothing the edge.
    const double balmer = draw_lognormal(random, 0.10, 0.5, 0.0, 0.3);
    for (std::size_t i = 0; i < pixels; ++i) {
        const double rest = observed_grid.wavelength(static_cast<std::int64_t>(i)) / stretch;
        if (rest > 4000.0 || rest < 1600.0) continue;
        const double x = rest / 3646.0;
        const double edge = 1.0 / (1.0 + std::exp((rest - 3720.0) / 45.0));
        const double thermal = std::pow(x, -5.0) * std::expm1(1.438777e8 / (3646.0 * 15000.0)) /
                               std::expm1(1.438777e8 / (rest * 15000.0));
        flux[i] += balmer * thermal * (1.0 - std::exp(-x * x * x)) / 0.632 * edge;
    }

    // Widths: one velocity scale an object, high-ionisation lines broader and blueshifted.
    const double breadth = draw_lognormal(random, 1.0, 0.38, 0.35, 2.8);
    const double narrow_sigma = draw_lognormal(random, 190.0, 0.35, 80.0, 450.0);
    const double blueshift = std::max(0.0, 500.0 + 500.0 * random.normal());
    const double strength = std::exp(0.30 * random.normal());
    const double eigenvector = random.normal();  // strong Fe II goes with weak [O III]
    const auto emit = [&](double rest, double sigma, double equivalent_width, double shift_km_s) {
        const double center = rest * (1.0 - shift_km_s / speed_of_light) * stretch;
        if (center < 3000.0 || center > 12500.0) return;
        add_line(flux, center, sigma * stretch, equivalent_width * continuum(rest) * stretch);
    };
    for (const QuasarLine& line : quasar_lines()) {
        double width = line.equivalent_width * std::exp(0.25 * random.normal());
        width *= std::pow(10.0, line.baldwin * luminosity * 2.5);
        double sigma = line.sigma;
        double shift = 0.0;
        if (line.narrow) {
            width *= std::exp(-0.65 * eigenvector);
            sigma = line.wavelength * narrow_sigma / speed_of_light;
        } else {
            width *= strength;
            sigma *= breadth * std::exp(0.12 * random.normal());
            shift = line.ionisation * blueshift;
        }
        emit(line.wavelength, sigma, width, shift);
        // Broad lines have wider wings than one Gaussian.
        if (!line.narrow && line.equivalent_width > 5.0)
            emit(line.wavelength, 2.2 * sigma, 0.35 * width, shift);
    }

    const double optical_strength = 0.8 * strength * std::exp(0.55 * eigenvector - 0.3);
    const double iron_velocity = 900.0 * breadth + 250.0;
    for (const IronFeature& feature : optical_iron)
        emit(feature.wavelength,
             std::hypot(feature.sigma, feature.wavelength * iron_velocity / speed_of_light),
             2.2 * optical_strength * feature.strength, 0.0);
    const double ultraviolet_strength = draw_lognormal(random, 1.0, 0.4, 0.2, 3.0);
    for (const IronFeature& feature : ultraviolet_iron)
        emit(feature.wavelength,
             std::hypot(feature.sigma, feature.wavelength * iron_velocity / speed_of_light),
             4.5 * ultraviolet_strength * feature.strength, 0.0);

    // Host galaxy, brighter relative to the nucleus in nearby, faint objects.
    const double host =
        z < 0.9 ? draw_lognormal(random, 0.45 * std::exp(-2.2 * z), 0.8, 0.0, 0.85) : 0.0;
    if (host > 0.01) {
        const std::vector<double> light =
            draw_stellar_light(random, populations, random.uniform(0.5, 1.0));
        const std::vector<double> stars = redshift_to_observed(light, rest_grid, z, 180.0);
        const double scale = continuum(5500.0) * host / (1.0 - std::min(host, 0.75));
        for (std::size_t i = 0; i < pixels; ++i) flux[i] += scale * stars[i];
    }

    for (std::size_t i = 0; i < pixels; ++i) {
        const double rest = observed_grid.wavelength(static_cast<std::int64_t>(i)) / stretch;
        flux[i] *= std::pow(10.0, -0.4 * reddening * quasar_extinction(rest));
    }
    absorb_broad(random, flux, z);
    absorb_metals(random, flux, z);
    absorb_intergalactic(random, flux, z);

    source.flux = std::move(flux);
    source.subclass = breadth > 0.4 ? "BROADLINE" : "";
    return source;
}

}  // namespace balmer::data::simulation
