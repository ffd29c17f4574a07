#pragma once
// What a simulated object is and what its light looks like above the atmosphere.

#include <optional>
#include <string>
#include <vector>

#include "data/simulate/population.h"
#include "kernels/core/random.h"

namespace balmer::data::simulation {

/// Which sample of a survey an object is drawn from; it sets redshifts and temperatures.
enum class Sample : std::uint8_t {
    legacy,  ///< SDSS-I/II: bright galaxies, stars and quasars
    boss,    ///< BOSS/eBOSS: luminous red galaxies, emission-line galaxies, faint quasars
    lamost,  ///< bright stars, few galaxies and quasars
};

/// An object: labels and noiseless flux per unit wavelength on `observed_grid` (any scale).
struct Source {
    std::string object_class;
    std::string subclass;
    double z = 0.0;
    std::optional<double> teff;
    std::optional<double> logg;
    std::optional<double> feh;
    std::vector<double> flux;
};

/// Single stars from M to O, giants, white dwarfs, carbon stars and cataclysmic variables, with
/// radial velocities of some hundred km/s at most.
Source draw_star(Random& random, Sample sample);

/// Passive, star-forming, starburst and active galaxies, z 0.003-1.1.
Source draw_galaxy(Random& random, Sample sample, const PopulationLibrary& populations);

/// Quasars, z 0.05-5; at low redshift with their host galaxy.
Source draw_quasar(Random& random, Sample sample, const PopulationLibrary& populations);

/// One draw from exp(normal(ln median, sigma)), cut at `low` and `high`.
double draw_lognormal(Random& random, double median, double sigma, double low, double high);

/// Adds a Gaussian emission line at an observed wavelength (A); `total` is its integral.
void add_line(std::vector<double>& flux, double wavelength, double sigma, double total);

/// The stellar light of a galaxy on `rest_grid`, 1 at 5500 A: `old_share` of its light at 5500 A
/// from populations older than 2 Gyr, the rest from younger ones.
std::vector<double> draw_stellar_light(Random& random, const PopulationLibrary& populations,
                                       double old_share);

}  // namespace balmer::data::simulation
