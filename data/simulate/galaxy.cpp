// Galaxies: stellar light, dust, nebular lines.
// Line ratios: star-forming sequence of Kauffmann et al. 2003, MNRAS 346, 1055, fig. 1; case B
// Balmer decrements (Osterbrock & Ferland 2006, table 4.4); Seyferts and LINERs after Kewley et al.
// 2006, MNRAS 372, 961. Subclasses by the SDSS pipeline's rules (Bolton et al. 2012, AJ 144, 144).
#include <algorithm>
#include <cmath>

#include "data/simulate/dust.h"
#include "data/simulate/lines.h"
#include "data/simulate/source.h"

namespace balmer::data::simulation {
namespace {

enum class Activity : std::uint8_t { passive, star_forming, starburst, seyfert, liner };

double draw_redshift(Random& random, Sample sample, Activity activity) {
    const bool lines = activity == Activity::star_forming || activity == Activity::starburst;
    const double u = random.uniform();
    if (sample == Sample::lamost)
        return std::clamp(draw_lognormal(random, 0.08, 0.5, 0.004, 0.4), 0.004, 0.4);
    if (sample == Sample::legacy) {
        if (!lines && u < 0.3) return std::clamp(0.33 + 0.07 * random.normal(), 0.1, 0.55);
        if (u > 0.95) return random.uniform(0.0005, 0.02);
        return draw_lognormal(random, 0.075, 0.75, 0.003, 0.4);
    }
    if (lines) {
        if (u < 0.3) return random.uniform(0.55, 1.1);
        if (u > 0.95) return random.uniform(0.0005, 0.02);
        return draw_lognormal(random, 0.25, 0.8, 0.003, 0.9);
    }
    if (u < 0.72) return std::clamp(0.50 + 0.12 * random.normal(), 0.12, 0.85);
    return random.uniform(0.05, 0.75);
}

/// Emission line fluxes relative to H-beta.
struct LineRatios {
    double oxygen_2;  // [O II] 3727 + 3729
    double oxygen_3;  // [O III] 5007
    double nitrogen;  // [N II] 6583 over H-alpha
    double sulphur;   // [S II] 6716 + 6731 over H-alpha
    double oxygen_1;  // [O I] 6300 over H-alpha
};

LineRatios draw_ratios(Random& random, Activity activity) {
    LineRatios r{};
    if (activity == Activity::seyfert) {
        r.nitrogen = std::pow(10.0, random.uniform(-0.3, 0.25));
        r.oxygen_3 = std::pow(10.0, random.uniform(0.6, 1.1));
        r.oxygen_2 = std::pow(10.0, random.uniform(0.2, 0.6));
        r.sulphur = std::pow(10.0, random.uniform(-0.45, -0.1));
        r.oxygen_1 = std::pow(10.0, random.uniform(-1.2, -0.7));
    } else if (activity == Activity::liner || activity == Activity::passive) {
        r.nitrogen = std::pow(10.0, random.uniform(-0.2, 0.3));
        r.oxygen_3 = std::pow(10.0, random.uniform(0.0, 0.55));
        r.oxygen_2 = std::pow(10.0, random.uniform(0.4, 0.9));
        r.sulphur = std::pow(10.0, random.uniform(-0.25, 0.1));
        r.oxygen_1 = std::pow(10.0, random.uniform(-1.0, -0.4));
    } else {
        // Position on the sequence: metal-rich to metal-poor.
        const bool burst = activity == Activity::starburst;
        const double x = burst ? random.uniform(-1.7, -0.5)
                               : std::max(-1.3, -0.34 - std::abs(0.28 * random.normal()));
        const double y = std::min(0.61 / (x - 0.08) + 1.05, 0.85) + 0.12 * random.normal();
        r.nitrogen = std::pow(10.0, x);
        r.oxygen_3 = std::pow(10.0, y);
        r.oxygen_2 = std::pow(10.0, 0.45 + 0.25 * std::clamp((y + 0.4), 0.0, 0.8) -
                                        0.35 * std::max(0.0, y - 0.45) + 0.12 * random.normal());
        r.sulphur = std::pow(
            10.0,
            std::clamp(-0.45 - 0.25 * std::max(0.0, y - 0.2) + 0.1 * random.normal(), -1.2, -0.15));
        r.oxygen_1 = 0.08 * r.sulphur;
    }
    return r;
}

}  // namespace

double draw_lognormal(Random& random, double median, double sigma, double low, double high) {
    return std::clamp(median * std::exp(sigma * random.normal()), low, high);
}

void add_line(std::vector<double>& flux, double wavelength, double sigma, double total) {
    const double width = observed_grid.pixel_width(wavelength);
    const double spread = std::max(sigma, 0.4 * width);
    const double center = observed_grid.position(wavelength);
    const auto reach = static_cast<std::int64_t>(5.0 * spread / width) + 2;
    const auto middle = static_cast<std::int64_t>(std::floor(center));
    const double peak = total / (spread * std::sqrt(2.0 * 3.14159265358979));
    for (std::int64_t i = std::max<std::int64_t>(0, middle - reach);
         i < std::min(observed_grid.size, middle + reach + 1); ++i) {
        const double x = (static_cast<double>(i) - center) * width / spread;
        flux[static_cast<std::size_t>(i)] += peak * std::exp(-0.5 * x * x);
    }
}

std::vector<double> draw_stellar_light(Random& random, const PopulationLibrary& populations,
                                       double old_share) {
    const auto metallicity = [&] {
        const double u = random.uniform();
        return std::size_t{u < 0.05 ? 0U : u < 0.25 ? 1U : u < 0.75 ? 2U : 3U};
    };
    std::vector<double> light(static_cast<std::size_t>(rest_grid.size));
    const auto add = [&](std::size_t age, std::size_t metals, double share) {
        const auto& spectrum = populations.population(age, metals);
        for (std::size_t i = 0; i < light.size(); ++i) light[i] += share * spectrum[i];
    };
    // Two old components of different age and metallicity, three young ones.
    const double split = random.uniform();
    const std::size_t oldest = 8 + random.below(3);
    add(oldest, metallicity(), old_share * split);
    add(7 + random.below(4), metallicity(), old_share * (1.0 - split));
    const std::size_t metals = metallicity();
    double weights[3] = {random.uniform(), random.uniform(), random.uniform()};
    const double sum = weights[0] + weights[1] + weights[2] + 1e-9;
    add(random.below(3), metals, (1.0 - old_share) * weights[0] / sum);
    add(2 + random.below(3), metals, (1.0 - old_share) * weights[1] / sum);
    add(4 + random.below(4), metals, (1.0 - old_share) * weights[2] / sum);
    return light;
}

Source draw_galaxy(Random& random, Sample sample, const PopulationLibrary& populations) {
    const double u = random.uniform();
    const double limits[4] = {sample == Sample::boss ? 0.50 : 0.42, 0.74, 0.84, 0.92};
    const Activity activity = u < limits[0]   ? Activity::passive
                              : u < limits[1] ? Activity::star_forming
                              : u < limits[2] ? Activity::starburst
                              : u < limits[3] ? Activity::seyfert
                                              : Activity::liner;
    Source source;
    source.object_class = "GALAXY";
    source.z = draw_redshift(random, sample, activity);

    double old_share = 1.0;
    double equivalent_width = 0.0;  // of H-alpha, A, rest
    double reddening = 0.0;
    double dispersion = 0.0;  // km/s
    double gas_dispersion = 0.0;
    switch (activity) {
        case Activity::passive:
            old_share = random.uniform() < 0.7 ? 1.0 : random.uniform(0.8, 1.0);
            equivalent_width = std::max(0.0, 0.8 * random.normal());
            reddening = std::abs(0.05 * random.normal());
            dispersion = draw_lognormal(random, 210.0, 0.3, 80.0, 380.0);
            gas_dispersion = draw_lognormal(random, 180.0, 0.3, 80.0, 350.0);
            break;
        case Activity::star_forming:
            old_share = random.uniform(0.35, 0.97);
            equivalent_width = draw_lognormal(random, 16.0, 0.7, 2.0, 60.0);
            reddening = draw_lognormal(random, 0.28, 0.6, 0.0, 0.9);
            dispersion = draw_lognormal(random, 110.0, 0.35, 40.0, 250.0);
            gas_dispersion = draw_lognormal(random, 90.0, 0.35, 40.0, 220.0);
            break;
        case Activity::starburst:
            old_share = random.uniform(0.0, 0.35);
            equivalent_width = draw_lognormal(random, 110.0, 0.7, 50.0, 900.0);
            reddening = draw_lognormal(random, 0.13, 0.6, 0.0, 0.5);
            dispersion = draw_lognormal(random, 70.0, 0.35, 30.0, 180.0);
            gas_dispersion = draw_lognormal(random, 70.0, 0.35, 35.0, 200.0);
            break;
        case Activity::seyfert:
            old_share = random.uniform(0.5, 1.0);
            equivalent_width = draw_lognormal(random, 15.0, 0.8, 3.0, 150.0);
            reddening = draw_lognormal(random, 0.18, 0.6, 0.0, 0.7);
            dispersion = draw_lognormal(random, 160.0, 0.3, 70.0, 350.0);
            gas_dispersion = draw_lognormal(random, 160.0, 0.35, 80.0, 400.0);
            break;
        case Activity::liner:
            old_share = random.uniform(0.85, 1.0);
            equivalent_width = draw_lognormal(random, 3.0, 0.5, 1.0, 12.0);
            reddening = std::abs(0.12 * random.normal());
            dispersion = draw_lognormal(random, 190.0, 0.3, 80.0, 380.0);
            gas_dispersion = draw_lognormal(random, 180.0, 0.3, 80.0, 400.0);
            break;
    }

    std::vector<double> light = draw_stellar_light(random, populations, old_share);
    for (std::int64_t i = 0; i < rest_grid.size; ++i)
        light[static_cast<std::size_t>(i)] *=
            std::pow(10.0, -0.4 * 0.6 * reddening * starburst_extinction(rest_grid.wavelength(i)));
    const auto at = static_cast<std::size_t>(rest_grid.position(line::h_alpha + 30.0));
    const double red_continuum = light[at];
    source.flux = redshift_to_observed(light, rest_grid, source.z, dispersion);

    // Gas suffers the full reddening, stars 0.44-0.6 of it.
    const LineRatios ratios = draw_ratios(random, activity);
    const double h_alpha = equivalent_width * red_continuum;
    const double dust_h_alpha =
        std::pow(10.0, -0.4 * reddening * milky_way_extinction(line::h_alpha));
    const double stretch = 1.0 + source.z;
    const auto emit = [&](double wavelength, double intrinsic) {
        const double dust = std::pow(10.0, -0.4 * reddening * milky_way_extinction(wavelength));
        add_line(source.flux, wavelength * stretch,
                 wavelength * stretch * gas_dispersion / speed_of_light,
                 intrinsic * h_alpha / dust_h_alpha * dust * stretch);
    };
    const double beta = 1.0 / 2.86;
    emit(line::h_alpha, 1.0);
    emit(line::h_beta, beta);
    emit(line::h_gamma, 0.468 * beta);
    emit(line::h_delta, 0.259 * beta);
    emit(line::h_epsilon, 0.159 * beta);
    emit(line::h_zeta, 0.105 * beta);
    const double density_ratio = random.uniform(1.2, 1.45);
    emit(line::oxygen_3730, ratios.oxygen_2 * beta * density_ratio / (1.0 + density_ratio));
    emit(line::oxygen_3727, ratios.oxygen_2 * beta / (1.0 + density_ratio));
    emit(line::oxygen_5007, ratios.oxygen_3 * beta);
    emit(line::oxygen_4959, ratios.oxygen_3 * beta / 2.98);
    emit(line::oxygen_4363, ratios.oxygen_3 * beta * (ratios.oxygen_3 > 3.5 ? 0.012 : 0.002));
    emit(line::neon_3869, ratios.oxygen_3 * beta * 0.09);
    emit(line::neon_3968, ratios.oxygen_3 * beta * 0.028);
    emit(line::nitrogen_6583, ratios.nitrogen);
    emit(line::nitrogen_6548, ratios.nitrogen / 3.06);
    emit(line::sulphur_6716, ratios.sulphur * 0.57);
    emit(line::sulphur_6731, ratios.sulphur * 0.43);
    emit(line::oxygen_6300, ratios.oxygen_1);
    emit(line::oxygen_6364, ratios.oxygen_1 / 3.0);
    emit(line::helium_5876, 0.12 * beta);
    emit(line::helium_4471, 0.04 * beta);
    emit(line::helium_6678, 0.035 * beta);
    emit(line::helium_7065, 0.025 * beta);
    emit(line::argon_7136, 0.08 * beta * std::min(1.5, ratios.oxygen_3));
    emit(line::oxygen_7320, 0.015 * ratios.oxygen_2 * beta);
    emit(line::oxygen_7330, 0.012 * ratios.oxygen_2 * beta);
    emit(line::sulphur_9069, 0.25 * beta);
    emit(line::sulphur_9531, 0.6 * beta);

    // A few have a weak broad-line region and are still called galaxies.
    bool broad = gas_dispersion > 200.0 && equivalent_width > 3.0;
    if ((activity == Activity::seyfert && random.uniform() < 0.25)) {
        const double width = draw_lognormal(random, 1300.0, 0.35, 600.0, 3000.0);
        const double total = h_alpha * random.uniform(0.5, 3.0) * stretch;
        add_line(source.flux, line::h_alpha * stretch,
                 line::h_alpha * stretch * width / speed_of_light, total);
        add_line(source.flux, line::h_beta * stretch,
                 line::h_beta * stretch * width / speed_of_light, total / 4.0);
        broad = true;
    }
    if (equivalent_width > 2.0 && source.z < 0.55) {
        const bool agn =
            std::log10(ratios.oxygen_3) > 0.7 - 1.2 * (std::log10(ratios.nitrogen) + 0.4);
        source.subclass = agn ? "AGN" : equivalent_width > 50.0 ? "STARBURST" : "STARFORMING";
    }
    if (broad) source.subclass += source.subclass.empty() ? "BROADLINE" : " BROADLINE";
    return source;
}

}  // namespace balmer::data::simulation
