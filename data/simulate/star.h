#pragma once
// Synthetic stellar spectra: a model atmosphere, atomic lines, molecular bands, formal solution.

#include <vector>

#include "data/simulate/atmosphere.h"
#include "data/simulate/spectral_grid.h"

namespace balmer::data::simulation {

/// Emergent flux per unit wavelength (arbitrary but common scale: surface flux) of a star at rest
/// on `grid`, before any instrument.
std::vector<double> star_spectrum(const StellarParameters& parameters, const LogGrid& grid);

/// Depth-resolved opacity of hydrogen's Balmer and Paschen lines with Stark wings, added to
/// [pixel * layers + layer], 1/cm.
void add_hydrogen_lines(const Atmosphere& atmosphere, const LogGrid& grid,
                        std::vector<float>& opacity);

}  // namespace balmer::data::simulation
