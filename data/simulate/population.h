#pragma once
// Spectra of stellar populations: sums of this simulator's own stars along the main sequence and
// the giant branch, weighted by an initial mass function.

#include <array>
#include <vector>

#include "data/simulate/spectral_grid.h"

namespace balmer::data::simulation {

inline constexpr std::array<double, 11> population_ages = {0.003, 0.01, 0.03, 0.1, 0.3, 0.6,
                                                           1.0,   2.0,  5.0,  9.0, 13.0};  ///< Gyr
inline constexpr std::array<double, 4> population_metallicities = {-1.2, -0.5, 0.0,
                                                                   0.3};  ///< [Fe/H]

/// All simple stellar populations on `rest_grid`, each scaled to 1 at 5500 A. Immutable once made.
class PopulationLibrary {
  public:
    /// Synthesises about a hundred stars: of the order of a second on one core.
    explicit PopulationLibrary(int threads = 0);

    /// Flux per unit wavelength of a population; ages and metallicities by index.
    const std::vector<double>& population(std::size_t age, std::size_t metallicity) const {
        return spectra_[age * population_metallicities.size() + metallicity];
    }

  private:
    std::vector<std::vector<double>> spectra_;
};

}  // namespace balmer::data::simulation
