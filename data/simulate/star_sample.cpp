// Which stars surveys see: the model atmospheres of star.h over the ranges of temperature, gravity
// and metallicity that fibres are placed on, and the rarer kinds that are no ordinary atmosphere.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "data/simulate/dust.h"
#include "data/simulate/lines.h"
#include "data/simulate/source.h"
#include "data/simulate/star.h"

namespace balmer::data::simulation {
namespace {

/// Effective temperature of spectral types (dwarfs, Pecaut & Mamajek 2013), every type from B0.
struct TypePoint {
    const char* name;
    double teff;
};
constexpr TypePoint types[] = {
    {"O", 36000}, {"B0", 30000}, {"B2", 21000}, {"B5", 16000}, {"B6", 14500}, {"B9", 11000},
    {"A0", 9700}, {"A2", 8900},  {"A4", 8300},  {"A7", 7800},  {"F0", 7250},  {"F2", 6850},
    {"F3", 6700}, {"F5", 6500},  {"F7", 6250},  {"F9", 6050},  {"G0", 5930},  {"G2", 5770},
    {"G3", 5720}, {"G5", 5640},  {"G7", 5530},  {"G8", 5450},  {"K0", 5250},  {"K1", 5120},
    {"K3", 4800}, {"K5", 4420},  {"K7", 4070},  {"M0", 3820},  {"M1", 3680},  {"M2", 3550},
    {"M3", 3410}, {"M4", 3220},  {"M5", 3060},  {"M6", 2900},  {"M7", 2750}};

std::string spectral_type(double teff) {
    const TypePoint* best = types;
    for (const TypePoint& type : types)
        if (std::abs(std::log(type.teff / teff)) < std::abs(std::log(best->teff / teff)))
            best = &type;
    return best->name;
}

/// Log g of a main-sequence star (fit to Pecaut & Mamajek 2013).
double dwarf_gravity(double teff) {
    if (teff < 3900.0) return 4.72 + 0.3 * (3900.0 - teff) / 900.0;
    if (teff < 6000.0) return 4.72 - 0.32 * (teff - 3900.0) / 2100.0;
    return std::max(3.9, 4.40 - 0.22 * std::log2(teff / 6000.0));
}

std::vector<double> observed_star(const StellarParameters& parameters, double z) {
    return redshift_to_observed(star_spectrum(parameters, star_grid), star_grid, z, 0.0);
}

/// A helium-dominated, featureless or metal-polluted white dwarf: black body and broad lines.
std::vector<double> cool_white_dwarf(Random& random, double teff, double z, std::string& subclass) {
    std::vector<double> flux(static_cast<std::size_t>(observed_grid.size));
    for (std::int64_t i = 0; i < observed_grid.size; ++i)
        flux[static_cast<std::size_t>(i)] = planck(observed_grid.wavelength(i), teff);
    const auto absorb = [&](double air, double depth, double width) {
        const double center = air_to_vacuum(air) * (1.0 + z);
        for (std::int64_t i = 0; i < observed_grid.size; ++i) {
            const double x = (observed_grid.wavelength(i) - center) / width;
            flux[static_cast<std::size_t>(i)] *=
                1.0 - depth / (1.0 + x * x * std::sqrt(std::abs(x)));
        }
    };
    subclass = teff > 11000.0 ? "WDhotter" : "WDcooler";
    if (teff > 11000.0) {
        const double depth = random.uniform(0.15, 0.5);
        constexpr std::array<std::array<double, 2>, 9> helium = {{{3888.6, 0.8},
                                                                  {4026.2, 0.8},
                                                                  {4120.8, 0.3},
                                                                  {4387.9, 0.4},
                                                                  {4471.5, 1.0},
                                                                  {4713.1, 0.4},
                                                                  {4921.9, 0.6},
                                                                  {5875.6, 0.6},
                                                                  {6678.2, 0.4}}};
        for (const auto& line : helium)
            absorb(line[0], depth * line[1], random.uniform(18.0, 35.0));
    } else if (random.uniform() < 0.4) {
        const double depth = random.uniform(0.3, 0.85);
        const double width = random.uniform(15.0, 50.0);
        absorb(3933.7, depth, width);
        absorb(3968.5, depth, width);
        absorb(4226.7, 0.3 * depth, 0.5 * width);
    }
    return flux;
}

/// Cataclysmic variable: accretion disc and broad emission of hydrogen and helium.
std::vector<double> cataclysmic_variable(Random& random, double z) {
    std::vector<double> flux(static_cast<std::size_t>(observed_grid.size));
    const double slope = -1.8 + 0.6 * random.normal();
    const double companion = random.uniform(0.0, 0.5);
    for (std::int64_t i = 0; i < observed_grid.size; ++i) {
        const double wavelength = observed_grid.wavelength(i);
        flux[static_cast<std::size_t>(i)] =
            std::pow(wavelength / 5500.0, slope) +
            companion * planck(wavelength, 3300.0) / planck(7000.0, 3300.0);
    }
    const double width = random.uniform(350.0, 900.0);
    const double equivalent = draw_lognormal(random, 40.0, 0.6, 8.0, 150.0);
    const double split = random.uniform() < 0.4 ? 0.9 * width : 0.0;
    const auto emit = [&](double wavelength, double share) {
        const double continuum = std::pow(wavelength / 5500.0, slope);
        for (double sign : {-1.0, 1.0})
            add_line(flux, wavelength * (1.0 + z + sign * split / speed_of_light),
                     wavelength * width / speed_of_light, 0.5 * equivalent * share * continuum);
    };
    emit(line::h_alpha, 1.3);
    emit(line::h_beta, 1.0);
    emit(line::h_gamma, 0.8);
    emit(line::h_delta, 0.65);
    emit(line::h_epsilon, 0.5);
    emit(line::h_zeta, 0.4);
    emit(line::helium_5876, 0.3);
    emit(line::helium_4471, 0.2);
    emit(line::helium_6678, 0.15);
    emit(line::helium_4686, random.uniform(0.05, 0.6));
    return flux;
}

}  // namespace

Source draw_star(Random& random, Sample sample) {
    Source source;
    source.object_class = "STAR";
    const double kind = random.uniform();
    const bool halo = random.uniform() < (sample == Sample::lamost ? 0.05 : 0.25);
    source.z = (halo ? 160.0 : 45.0) * random.normal() / speed_of_light;

    // Cumulative shares of the kinds: white dwarfs, cataclysmic variables, carbon stars.
    const double white_dwarfs = sample == Sample::lamost ? 0.015 : 0.13;
    const double variables = white_dwarfs + (sample == Sample::lamost ? 0.002 : 0.03);
    const double carbon_stars = variables + 0.015;
    StellarParameters p;
    p.microturbulence = 1.4;
    if (kind < white_dwarfs) {
        const double teff = draw_lognormal(random, 13000.0, 0.45, 6000.0, 60000.0);
        if (random.uniform() < 0.72 && teff > 7000.0) {
            p.teff = teff;
            p.logg = 8.0 + 0.25 * random.normal();
            p.feh = -5.0;
            p.helium = 1e-5;
            source.flux = observed_star(p, source.z);
            source.subclass = "WD";
        } else {
            source.flux = cool_white_dwarf(random, teff, source.z, source.subclass);
        }
        return source;
    }
    if (kind < variables) {
        source.flux = cataclysmic_variable(random, source.z);
        source.subclass = "CV";
        return source;
    }
    if (kind < carbon_stars) {
        p.teff = random.uniform(3700.0, 5200.0);
        p.logg = random.uniform() < 0.5 ? random.uniform(1.0, 2.5) : random.uniform(4.3, 4.8);
        p.feh = random.uniform(-1.5, -0.2);
        p.carbon = random.uniform(0.5, 1.1) - 0.3 * p.feh;
        source.flux = observed_star(p, source.z);
        source.subclass = "Carbon";
        return source;
    }

    // Ordinary stars: temperature by the survey's taste.
    const double u = random.uniform();
    if (sample == Sample::lamost) {
        p.teff = u < 0.10   ? random.uniform(7200.0, 10500.0)
                 : u < 0.80 ? std::clamp(5700.0 + 700.0 * random.normal(), 4200.0, 7600.0)
                 : u < 0.97 ? random.uniform(3300.0, 4800.0)
                            : random.uniform(10000.0, 25000.0);
    } else {
        p.teff = u < 0.12   ? random.uniform(7500.0, 10500.0)
                 : u < 0.20 ? draw_lognormal(random, 14000.0, 0.4, 9500.0, 40000.0)
                 : u < 0.62 ? std::clamp(6300.0 + 550.0 * random.normal(), 5000.0, 7800.0)
                 : u < 0.80 ? random.uniform(4000.0, 5800.0)
                            : random.uniform(2750.0, 4000.0);
    }
    const bool giant_allowed = p.teff < 5400.0 && p.teff > 3400.0;
    const double giant_share = sample == Sample::lamost ? 0.45 : 0.25;
    if (giant_allowed && random.uniform() < giant_share) {
        // The giant branch: gravity falls with temperature.
        p.logg = std::clamp(3.3 - (5100.0 - p.teff) / 620.0 + 0.3 * random.normal(), 0.3, 3.6);
        p.microturbulence = 1.8;
    } else {
        p.logg = std::min(5.3, dwarf_gravity(p.teff) + 0.12 * random.normal());
        if (p.teff > 5200.0 && p.teff < 7000.0 && random.uniform() < 0.3)
            p.logg -= random.uniform(0.0, 0.8);  // subgiants
        if (p.teff > 7500.0 && p.teff < 20000.0 && random.uniform() < 0.3)
            p.logg = random.uniform(3.0, 3.8);  // horizontal branch and evolved
        if (p.teff > 20000.0 && random.uniform() < 0.6)
            p.logg = random.uniform(5.0, 6.0);  // subdwarfs
    }
    p.feh = halo ? std::clamp(-1.5 + 0.5 * random.normal(), -2.8, -0.5)
                 : std::clamp(-0.25 + 0.3 * random.normal(), -1.2, 0.45);
    if (p.teff < 4000.0) p.feh = std::max(p.feh, -1.0);
    p.alpha = p.feh < -0.9 ? 0.35 : std::clamp(-0.3 * p.feh, 0.0, 0.3);
    source.flux = observed_star(p, source.z);
    if (p.teff < 3900.0 && p.logg > 4.0 && random.uniform() < 0.3) {
        // Active dwarfs: chromospheric Balmer emission, stronger in later types.
        const double width = draw_lognormal(random, 3.0, 0.6, 0.5, 12.0);
        const std::array<std::array<double, 2>, 4> lines = {{{line::h_alpha, 1.0},
                                                             {line::h_beta, 1.0},
                                                             {line::h_gamma, 0.9},
                                                             {line::h_delta, 0.8}}};
        for (const auto& l : lines) {
            const auto at = static_cast<std::size_t>(observed_grid.position(l[0] + 12.0));
            add_line(source.flux, l[0] * (1.0 + source.z), 1.0, width * l[1] * source.flux[at]);
        }
    }
    source.subclass = spectral_type(p.teff);
    source.teff = p.teff;
    source.logg = p.logg;
    source.feh = p.feh;
    return source;
}

}  // namespace balmer::data::simulation
