// The simulator's objects behave like the ones in the sky.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "data/simulate/absorption.h"
#include "data/simulate/dust.h"
#include "data/simulate/lines.h"
#include "data/simulate/source.h"
#include "data/simulate/star.h"

namespace balmer::data::simulation {
namespace {

/// Mean of values between two wavelengths (A).
double mean_between(const std::vector<double>& flux, const LogGrid& grid, double low, double high) {
    const auto begin = static_cast<std::ptrdiff_t>(std::ceil(grid.position(low)));
    const auto end = static_cast<std::ptrdiff_t>(std::floor(grid.position(high)));
    return std::accumulate(flux.begin() + begin, flux.begin() + end, 0.0) /
           static_cast<double>(end - begin);
}

/// Equivalent width (A) against the straight line between two side bands.
double equivalent_width(const std::vector<double>& flux, const LogGrid& grid, double center,
                        double half, double side) {
    const double blue = mean_between(flux, grid, center - half - side, center - half);
    const double red = mean_between(flux, grid, center + half, center + half + side);
    double sum = 0.0;
    const auto begin = static_cast<std::int64_t>(std::ceil(grid.position(center - half)));
    const auto end = static_cast<std::int64_t>(std::floor(grid.position(center + half)));
    for (std::int64_t i = begin; i < end; ++i) {
        const double wavelength = grid.wavelength(i);
        const double share = (wavelength - center + half + 0.5 * side) / (2.0 * half + side);
        const double continuum = blue + share * (red - blue);
        sum += (1.0 - flux[static_cast<std::size_t>(i)] / continuum) * grid.pixel_width(wavelength);
    }
    return sum;
}

std::vector<double> star(double teff, double logg, double feh = 0.0) {
    StellarParameters p;
    p.teff = teff;
    p.logg = logg;
    p.feh = feh;
    return star_spectrum(p, star_grid);
}

const PopulationLibrary& library() {
    static const PopulationLibrary populations;
    return populations;
}

TEST(SpectralGrid, AirToVacuumMatchesMorton) {
    EXPECT_NEAR(air_to_vacuum(6562.80), 6564.61, 0.01);
    EXPECT_NEAR(air_to_vacuum(5006.843), 5008.240, 0.002);
    EXPECT_NEAR(air_to_vacuum(3933.664), 3934.777, 0.002);
}

TEST(SpectralGrid, SmoothingKeepsTheIntegralAndAddsVariance) {
    std::vector<double> values(401, 0.0);
    values[200] = 1.0;
    gaussian_smooth(values, 5.0);
    double sum = 0.0;
    double variance = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        sum += values[i];
        variance += values[i] * std::pow(static_cast<double>(i) - 200.0, 2);
    }
    EXPECT_NEAR(sum, 1.0, 1e-12);
    EXPECT_NEAR(variance, 25.0, 0.1);
}

TEST(Atmosphere, SunHasTheKnownPressureAndElectronPressure) {
    const Atmosphere sun(StellarParameters{});
    const auto& layers = sun.layers();
    const auto photosphere = std::find_if(layers.begin(), layers.end(),
                                          [](const Layer& layer) { return layer.tau > 0.95; });
    // Gray 2005, table 9.2: log P = 5.1, log P_e = 1.6 near tau = 1.
    EXPECT_NEAR(std::log10(photosphere->pressure), 5.1, 0.15);
    const double electron_pressure =
        photosphere->electrons * 1.380649e-16 * photosphere->temperature;
    EXPECT_NEAR(std::log10(electron_pressure), 1.6, 0.35);
}

TEST(Atmosphere, PressureGrowsInwardsAndWithGravity) {
    StellarParameters dwarf;
    dwarf.teff = 4500.0;
    dwarf.logg = 4.6;
    StellarParameters giant = dwarf;
    giant.logg = 1.5;
    const Atmosphere a(dwarf);
    const Atmosphere b(giant);
    for (std::size_t i = 0; i < a.layers().size(); ++i) {
        EXPECT_GT(a.layers()[i].pressure, b.layers()[i].pressure);
        if (i > 0) {
            EXPECT_GT(a.layers()[i].pressure, a.layers()[i - 1].pressure);
        }
        EXPECT_LT(a.layers()[i].electrons, a.layers()[i].nuclei * 1.2);
    }
}

TEST(SimulatedStars, BalmerLinesAreDeepestNearA0) {
    const auto strength = [](double teff) {
        return equivalent_width(star(teff, 4.0), star_grid, line::h_beta, 35.0, 20.0);
    };
    const double a0 = strength(9300.0);
    EXPECT_GT(a0, 8.0);
    EXPECT_GT(a0, 1.5 * strength(6500.0));
    EXPECT_GT(a0, 3.0 * strength(5200.0));
    EXPECT_GT(a0, 1.3 * strength(14000.0));
    EXPECT_GT(a0, 2.0 * strength(28000.0));
}

TEST(SimulatedStars, BalmerJumpIsLargeInAStarsAndSmallInTheHottest) {
    const auto jump = [](double teff) {
        const auto flux = star(teff, 4.0);
        return mean_between(flux, star_grid, 4020.0, 4070.0) /
               mean_between(flux, star_grid, 3570.0, 3630.0);
    };
    EXPECT_GT(jump(9500.0), 2.0);
    EXPECT_LT(jump(35000.0), 1.1);
}

TEST(SimulatedStars, TitaniumOxideMarksMStars) {
    const auto depth = [](double teff, double logg) {
        const auto flux = star(teff, logg);
        return mean_between(flux, star_grid, 7060.0, 7110.0) /
               mean_between(flux, star_grid, 7020.0, 7050.0);
    };
    EXPECT_LT(depth(3200.0, 5.0), 0.75);
    EXPECT_LT(depth(3500.0, 1.0), 0.85);
    EXPECT_GT(depth(5800.0, 4.4), 0.96);
    EXPECT_LT(depth(3100.0, 5.0), depth(3700.0, 4.8));
}

TEST(SimulatedStars, MetalLinesFollowMetallicity) {
    const auto magnesium = [](double feh) {
        return equivalent_width(star(5500.0, 4.5, feh), star_grid, 5177.0, 18.0, 10.0);
    };
    EXPECT_GT(magnesium(0.0), magnesium(-1.0) + 0.5);
    EXPECT_GT(magnesium(-1.0), magnesium(-2.0) + 0.2);
}

TEST(SimulatedStars, CalciumKIsAbsentInHotStarsAndStrongInCoolOnes) {
    const auto calcium = [](double teff) {
        return equivalent_width(star(teff, 4.4), star_grid, 3934.8, 12.0, 8.0);
    };
    EXPECT_LT(calcium(20000.0), 0.5);
    EXPECT_GT(calcium(5800.0), 5.0);
}

TEST(SimulatedStars, WhiteDwarfLinesAreBroaderThanThoseOfDwarfs) {
    StellarParameters p;
    p.teff = 12000.0;
    p.logg = 8.0;
    p.feh = -5.0;
    p.helium = 1e-5;
    const auto white = star_spectrum(p, star_grid);
    const auto dwarf = star(12000.0, 4.0);
    const auto far = [](const std::vector<double>& flux) {
        return mean_between(flux, star_grid, line::h_beta + 25.0, line::h_beta + 45.0) /
               mean_between(flux, star_grid, 5100.0, 5150.0);
    };
    EXPECT_LT(far(white), far(dwarf) - 0.1);
}

TEST(SimulatedStars, CarbonStarsShowSwanBandsInsteadOfTitaniumOxide) {
    StellarParameters p;
    p.teff = 4000.0;
    p.logg = 1.5;
    p.feh = -0.5;
    const auto normal = star_spectrum(p, star_grid);
    p.carbon = 0.9;
    const auto carbon = star_spectrum(p, star_grid);
    const auto swan = [](const std::vector<double>& flux) {
        return mean_between(flux, star_grid, 5100.0, 5160.0) /
               mean_between(flux, star_grid, 5200.0, 5240.0);
    };
    EXPECT_LT(swan(carbon), 0.85 * swan(normal));
}

TEST(Populations, TheBreakAt4000GrowsWithAge) {
    const auto strength = [](std::size_t age) {
        const auto& flux = library().population(age, 2);
        return mean_between(flux, rest_grid, 4000.0, 4100.0) /
               mean_between(flux, rest_grid, 3850.0, 3950.0);
    };
    const double young = strength(1);
    const double middle = strength(6);
    const double old = strength(10);
    EXPECT_LT(young, middle);
    EXPECT_LT(middle, old);
    // Kauffmann et al. 2003, fig. 2: D_n(4000) is about 1.0 at 10 Myr, 1.8 at 10 Gyr.
    EXPECT_NEAR(young, 1.0, 0.2);
    EXPECT_NEAR(old, 1.85, 0.35);
}

TEST(SimulatedGalaxies, HAlphaOfStarburstsPeaksAtItsRedshift) {
    int seen = 0;
    for (std::uint64_t k = 0; k < 200; ++k) {
        Random random(5, k);
        const Source galaxy = draw_galaxy(random, Sample::legacy, library());
        if (galaxy.subclass != "STARBURST" || galaxy.z > 0.5) continue;
        ++seen;
        const double expected = 6564.6 * (1.0 + galaxy.z);
        const auto begin = static_cast<std::ptrdiff_t>(observed_grid.position(expected - 60.0));
        const auto end = static_cast<std::ptrdiff_t>(observed_grid.position(expected + 60.0));
        const auto peak = std::max_element(galaxy.flux.begin() + begin, galaxy.flux.begin() + end);
        EXPECT_NEAR(observed_grid.wavelength(peak - galaxy.flux.begin()), expected, 2.0);
        EXPECT_GT(*peak, 1.5 * galaxy.flux[static_cast<std::size_t>(begin)]);
    }
    EXPECT_GT(seen, 5);
}

TEST(SimulatedGalaxies, ActiveAndStarFormingOnesSeparateInTheLineRatioDiagram) {
    int active = 0;
    int forming = 0;
    for (std::uint64_t k = 0; k < 200; ++k) {
        Random random(6, k);
        const Source galaxy = draw_galaxy(random, Sample::legacy, library());
        EXPECT_GT(galaxy.z, 0.0);
        EXPECT_LT(galaxy.z, 1.2);
        for (const double value : galaxy.flux) ASSERT_TRUE(std::isfinite(value) && value >= 0.0);
        active += galaxy.subclass.starts_with("AGN") ? 1 : 0;
        forming += galaxy.subclass.starts_with("STAR") ? 1 : 0;
    }
    EXPECT_GT(active, 10);
    EXPECT_GT(forming, 50);
}

TEST(SimulatedQuasars, LymanAlphaStandsAtItsRedshift) {
    int seen = 0;
    for (std::uint64_t k = 0; k < 120; ++k) {
        Random random(7, k);
        const Source quasar = draw_quasar(random, Sample::boss, library());
        for (const double value : quasar.flux) ASSERT_TRUE(std::isfinite(value) && value >= 0.0);
        if (quasar.z < 2.2 || quasar.z > 4.5) continue;
        ++seen;
        const double stretch = 1.0 + quasar.z;
        const double line_flux =
            mean_between(quasar.flux, observed_grid, 1214.0 * stretch, 1232.0 * stretch);
        const double continuum =
            mean_between(quasar.flux, observed_grid, 1440.0 * stretch, 1470.0 * stretch);
        if (line_flux > 1.3 * continuum) --seen;  // counts the quasars without a clear line
    }
    // Broad absorption and damped systems hide it in some.
    EXPECT_LT(seen, 20);
}

TEST(Absorption, ForestMatchesTheMeanTransmissionAndDarkensWithRedshift) {
    double last = 1.0;
    for (const double z : {2.2, 2.8, 3.4, 4.0}) {
        double sum = 0.0;
        constexpr int count = 40;
        for (std::uint64_t k = 0; k < count; ++k) {
            Random random(8, k);
            std::vector<double> flux(static_cast<std::size_t>(observed_grid.size), 1.0);
            absorb_intergalactic(random, flux, z + 0.25);
            const double center = line::lyman_alpha * (1.0 + z);
            sum += mean_between(flux, observed_grid, center - 60.0, center + 60.0);
        }
        const double mean = sum / count;
        EXPECT_NEAR(mean, mean_forest_transmission(z), 0.08) << "z = " << z;
        EXPECT_LT(mean, last);
        last = mean;
    }
}

TEST(Dust, ExtinctionCurvesAreNormalised) {
    EXPECT_NEAR(milky_way_extinction(5494.5), 3.1, 0.03);
    EXPECT_NEAR(milky_way_extinction(4405.0) - milky_way_extinction(5494.5), 1.0, 0.05);
    EXPECT_NEAR(starburst_extinction(5500.0), 4.05, 0.05);
    EXPECT_GT(quasar_extinction(1500.0), quasar_extinction(5000.0));
}

}  // namespace
}  // namespace balmer::data::simulation
