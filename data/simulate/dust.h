#pragma once
// Reddening by dust.

namespace balmer::data::simulation {

/// A(wavelength) / E(B-V) of the Milky Way, R_V = 3.1; Cardelli, Clayton & Mathis 1989, ApJ 345,
/// 245, with O'Donnell's optical part left out. Wavelength in A, 1000-33000.
double milky_way_extinction(double wavelength);

/// k(wavelength) of starburst galaxies, R_V = 4.05; Calzetti et al. 2000, ApJ 533, 682, eq. 4.
double starburst_extinction(double wavelength);

/// SMC-like k(wavelength), as quasars show it: 1.39 (lambda / micron)^-1.2 (Prevot et al. 1984).
double quasar_extinction(double wavelength);

}  // namespace balmer::data::simulation
