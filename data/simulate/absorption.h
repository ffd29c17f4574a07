#pragma once
// What stands between a quasar and us.

#include <vector>

#include "kernels/core/random.h"

namespace balmer::data::simulation {

/// Mean transmission of the Lyman-alpha forest at redshift z; Faucher-Giguere et al. 2008.
double mean_forest_transmission(double z);

/// Lyman-alpha and Lyman-beta forest, Lyman-limit systems, damped Lyman-alpha systems, Lyman
/// continuum: multiplies a flux on `observed_grid`, source at redshift z.
void absorb_intergalactic(Random& random, std::vector<double>& flux, double z);

/// Narrow Mg II, Fe II and C IV doublets of intervening galaxies.
void absorb_metals(Random& random, std::vector<double>& flux, double z);

/// Broad absorption by outflows, in about a tenth of the quasars.
void absorb_broad(Random& random, std::vector<double>& flux, double z);

}  // namespace balmer::data::simulation
