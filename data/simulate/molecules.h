#pragma once
// Molecular bands of cool stars: each band is a head with a tail that falls off exponentially to
// the red or to the blue, carried by the equilibrium density of its molecule.

#include <vector>

#include "data/simulate/atmosphere.h"
#include "data/simulate/spectral_grid.h"

namespace balmer::data::simulation {

/// Opacity of all molecular bands and of the unresolved atomic line haze, 1/cm, as
/// [pixel * layers + layer] on the grid.
void add_molecular_opacity(const Atmosphere& atmosphere, const LogGrid& grid,
                           std::vector<float>& opacity);

}  // namespace balmer::data::simulation
