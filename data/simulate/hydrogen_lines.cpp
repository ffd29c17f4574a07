// Balmer and Paschen lines. The profile is Holtsmark's wing with a finite core,
//   phi(x) = A / (x0^2.5 + |x|^2.5),  A = 1.5 (F0 K)^1.5,
// F0 = 1.25e-9 N_e^(2/3) the normal field and K_nm the Stark coefficient (A per field unit,
// Underhill & Waddell 1959; asymptotic form as in Kurucz's SYNTHE); electrons are counted like
// ions, which doubles the wing. Cool stars: resonance broadening (Barklem et al. 2000) on top.
#include <algorithm>
#include <cmath>

#include "data/simulate/star.h"

namespace balmer::data::simulation {
namespace {

double oscillator_strength(int lower, int upper) {
    constexpr double balmer[] = {0.6407, 0.1193, 0.04467, 0.02209, 0.01270, 0.008036, 0.005429};
    if (lower == 2 && upper < 10) return balmer[upper - 3];
    const double n = lower;
    const double m = upper;
    const double kramers =
        1.9603 / (std::pow(n, 5.0) * m * m * m) * std::pow(1.0 / (n * n) - 1.0 / (m * m), -3.0);
    return 0.88 * kramers;
}

}  // namespace

void add_hydrogen_lines(const Atmosphere& atmosphere, const LogGrid& grid,
                        std::vector<float>& opacity) {
    const auto& layers = atmosphere.layers();
    const auto depth = static_cast<std::int64_t>(layers.size());
    const int last = std::clamp(static_cast<int>(atmosphere.last_bound_level()), 5, 24);
    const double teff = atmosphere.parameters().teff;
    const double floor = teff * std::clamp(0.99 - 0.1 * (teff - 5000.0) / 2500.0, 0.85, 0.99);
    struct LayerProfile {
        double strength, wing, core, lorentz;
    };
    std::vector<LayerProfile> profiles(layers.size());
    for (int lower = 2; lower <= 3; ++lower) {
        for (int upper = lower + 1; upper <= last; ++upper) {
            const double n = lower;
            const double m = upper;
            const double center = 911.7634 / (1.0 / (n * n) - 1.0 / (m * m));
            if (center > 11500.0 || center < 3000.0) continue;
            const double f = oscillator_strength(lower, upper);
            double reach = 0.0;
            for (std::size_t l = 0; l < layers.size(); ++l) {
                const Layer& layer = layers[l];
                const double t = layer.temperature;
                // Above the photosphere scattering keeps the levels at the photosphere's
                // excitation.
                const double excitation = std::max(t, floor);
                const double excited =
                    n * n * std::exp(-13.598 * (1.0 - 1.0 / (n * n)) * 11604.5 / excitation) *
                    layer.neutral_hydrogen;
                const double stimulated = 1.0 - std::exp(-1.438777e8 / (center * t));
                // Integrated cross-section in cm2 A: pi e2 / (m c) f lambda2 / c.
                const double section = 8.8525e-21 * f * center * center;
                const double coefficient =
                    5.5e-5 * std::pow(n * m, 4.0) / (m * m - n * n) / (1.0 + 0.13 / (m - n));
                const double field = 1.25e-9 * std::pow(layer.electrons, 2.0 / 3.0);
                const double wing = 1.5 * std::pow(field * coefficient, 1.5);
                const double doppler =
                    center / speed_of_light *
                    std::sqrt(0.0165 * t + std::pow(atmosphere.parameters().microturbulence, 2));
                const double core = std::max(
                    {std::pow(2.6425 * wing, 2.0 / 3.0), doppler, 0.5 * grid.pixel_width(center)});
                const double damping =
                    8.6e-8 * layer.neutral_hydrogen * center * center / (12.566 * 2.998e18);
                profiles[l] = {excited * section * stimulated, wing, core, damping / 3.1416};
                // To where the line adds 0.3 % to the continuum.
                if (layer.tau < 3.0)
                    reach = std::max(
                        reach, std::pow(profiles[l].strength * wing / (3e-3 * layer.opacity), 0.4));
            }
            if (reach < 0.3) continue;
            reach = std::min(reach, 0.12 * center);
            const auto begin =
                std::max<std::int64_t>(0, static_cast<std::int64_t>(grid.position(center - reach)));
            const auto end = std::min<std::int64_t>(
                grid.size, static_cast<std::int64_t>(grid.position(center + reach)) + 1);
            for (std::int64_t i = begin; i < end; ++i) {
                const double x = std::abs(grid.wavelength(i) - center);
                const double x2 = x * x;
                const double power = x2 * std::sqrt(x);
                float* row = opacity.data() + i * depth;
                for (std::int64_t l = 0; l < depth; ++l) {
                    const LayerProfile& p = profiles[static_cast<std::size_t>(l)];
                    const double core2 = p.core * p.core;
                    row[l] += static_cast<float>(
                        p.strength *
                        (p.wing / (core2 * std::sqrt(p.core) + power) + p.lorentz / (core2 + x2)));
                }
            }
        }
    }
}

}  // namespace balmer::data::simulation
