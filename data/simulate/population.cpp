#include "data/simulate/population.h"

#include <algorithm>
#include <cmath>

#include "data/simulate/star.h"
#include "kernels/core/parallel.h"

namespace balmer::data::simulation {
namespace {

/// Main sequence: mass, Teff, log luminosity and log g (solar units, K, cgs), after the
/// compilations of Pecaut & Mamajek 2013 and Cox 2000.
struct MassPoint {
    double mass, teff, luminosity, logg;
};
constexpr MassPoint sequence[] = {
    {0.20, 3200, -2.25, 5.05}, {0.40, 3450, -1.70, 4.88}, {0.60, 3950, -1.12, 4.70},
    {0.75, 4650, -0.65, 4.62}, {0.90, 5350, -0.30, 4.54}, {1.00, 5750, 0.02, 4.42},
    {1.15, 6150, 0.32, 4.32},  {1.40, 6700, 0.68, 4.28},  {1.80, 8000, 1.12, 4.20},
    {2.40, 9700, 1.60, 4.15},  {3.50, 12500, 2.25, 4.10}, {6.00, 18000, 3.10, 4.05},
    {12.0, 26500, 4.05, 4.00}, {30.0, 36000, 5.10, 3.90},
};
constexpr std::size_t sequence_count = std::size(sequence);

/// Giants: temperature at solar metallicity, log g, and share of the giants' bolometric light.
struct GiantPoint {
    double teff, logg, share;
};
constexpr GiantPoint giants[] = {
    {5000, 3.2, 0.20}, {4700, 2.4, 0.32}, {4350, 1.8, 0.20}, {3950, 1.1, 0.19}, {3550, 0.6, 0.15}};
constexpr std::size_t giant_count = std::size(giants);

constexpr std::size_t stars_per_metallicity = sequence_count + giant_count;

/// Kroupa 2001 mass function, stars per unit mass.
double mass_function(double mass) {
    return mass < 0.5 ? 2.0 * std::pow(mass, -1.3) : std::pow(mass, -2.3);
}

double bolometric(const std::vector<double>& flux) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < rest_grid.size; ++i)
        sum += flux[static_cast<std::size_t>(i)] * rest_grid.wavelength(i);
    return sum;
}

/// Share of the bolometric light within the grid: hot stars shine mostly below it.
double share_in_grid(double teff) {
    double inside = 0.0;
    double all = 0.0;
    for (double x = 2.0; x < 5.5; x += 0.01) {
        const double wavelength = std::pow(10.0, x);
        const double light = planck(wavelength, teff) * wavelength;
        all += light;
        if (x > rest_grid.start && x < rest_grid.start + 0.831) inside += light;
    }
    return inside / all;
}

}  // namespace

PopulationLibrary::PopulationLibrary(int threads) {
    const std::size_t total = stars_per_metallicity * population_metallicities.size();
    std::vector<std::vector<double>> stars(total);
    Context context;
    context.threads = threads;
    parallel_for(context, static_cast<std::int64_t>(total), 1, [&](std::int64_t at) {
        const auto index = static_cast<std::size_t>(at);
        const double feh = population_metallicities[index / stars_per_metallicity];
        const std::size_t k = index % stars_per_metallicity;
        StellarParameters p;
        p.feh = feh;
        p.alpha = feh < -0.3 ? 0.2 : 0.1;
        if (k < sequence_count) {
            p.teff = sequence[k].teff * (1.0 - 0.05 * std::clamp(feh, -1.2, 0.3));
            p.logg = sequence[k].logg;
        } else {
            const GiantPoint& giant = giants[k - sequence_count];
            p.teff = giant.teff * (1.0 - 0.06 * feh);
            p.logg = giant.logg;
            p.microturbulence = 1.8;
        }
        std::vector<double> flux = star_spectrum(p, rest_grid);
        const double norm = share_in_grid(p.teff) / bolometric(flux);
        for (double& value : flux) value *= norm;
        stars[index] = std::move(flux);
    });

    const auto reference = static_cast<std::size_t>(rest_grid.position(5500.0));
    for (const double age : population_ages) {
        for (std::size_t m = 0; m < population_metallicities.size(); ++m) {
            const double turnoff = std::pow(10.0 / age, 1.0 / 2.7);
            std::vector<double> sum(static_cast<std::size_t>(rest_grid.size));
            double dwarf_light = 0.0;
            const auto add = [&](std::size_t k, double light) {
                const auto& star = stars[m * stars_per_metallicity + k];
                for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += light * star[i];
            };
            for (std::size_t k = 0; k < sequence_count; ++k) {
                const double low =
                    k == 0 ? 0.1 : std::sqrt(sequence[k - 1].mass * sequence[k].mass);
                double high = k + 1 == sequence_count
                                  ? 60.0
                                  : std::sqrt(sequence[k].mass * sequence[k + 1].mass);
                high = std::min(high, turnoff);
                if (high <= low) break;
                // Stars brighten by about a magnitude before they leave the main sequence.
                const double near = std::clamp((high / turnoff - 0.75) / 0.25, 0.0, 1.0);
                const double light = mass_function(sequence[k].mass) * (high - low) *
                                     std::pow(10.0, sequence[k].luminosity) * (1.0 + 1.2 * near);
                add(k, light);
                dwarf_light += light;
            }
            // Giants give most of the light of old populations, little of young ones.
            const double ratio = age > 0.8     ? 1.3 + 0.25 * std::log10(age)
                                 : age > 0.05  ? 0.25
                                 : age > 0.008 ? 0.15
                                               : 0.02;
            for (std::size_t g = 0; g < giant_count; ++g)
                add(sequence_count + g, ratio * dwarf_light * giants[g].share);
            const double norm = 1.0 / sum[reference];
            for (double& value : sum) value *= norm;
            spectra_.push_back(std::move(sum));
        }
    }
}

}  // namespace balmer::data::simulation
