#pragma once
// Emission lines of gas, of quasars and of the night sky: vacuum wavelengths (A).

#include <span>

namespace balmer::data::simulation {

/// Vacuum wavelengths from NIST ASD, as in the SDSS line table (idlspec2d emlines.par).
namespace line {
inline constexpr double oxygen_3727 = 3727.092;
inline constexpr double oxygen_3730 = 3729.875;
inline constexpr double neon_3869 = 3869.857;
inline constexpr double helium_3889 = 3889.75;
inline constexpr double neon_3968 = 3968.59;
inline constexpr double h_zeta = 3890.166;
inline constexpr double h_epsilon = 3971.202;
inline constexpr double h_delta = 4102.899;
inline constexpr double h_gamma = 4341.691;
inline constexpr double oxygen_4363 = 4364.435;
inline constexpr double helium_4471 = 4472.734;
inline constexpr double helium_4686 = 4687.015;
inline constexpr double h_beta = 4862.691;
inline constexpr double oxygen_4959 = 4960.295;
inline constexpr double oxygen_5007 = 5008.240;
inline constexpr double nitrogen_5200 = 5201.1;
inline constexpr double helium_5876 = 5877.249;
inline constexpr double oxygen_6300 = 6302.046;
inline constexpr double oxygen_6364 = 6365.535;
inline constexpr double nitrogen_6548 = 6549.859;
inline constexpr double h_alpha = 6564.632;
inline constexpr double nitrogen_6583 = 6585.268;
inline constexpr double helium_6678 = 6679.995;
inline constexpr double sulphur_6716 = 6718.294;
inline constexpr double sulphur_6731 = 6732.674;
inline constexpr double helium_7065 = 7067.138;
inline constexpr double argon_7136 = 7137.77;
inline constexpr double oxygen_7320 = 7322.0;
inline constexpr double oxygen_7330 = 7332.2;
inline constexpr double sulphur_9069 = 9071.1;
inline constexpr double sulphur_9531 = 9533.2;
inline constexpr double lyman_alpha = 1215.670;
inline constexpr double lyman_limit = 911.753;
inline constexpr double magnesium_2796 = 2796.352;
inline constexpr double magnesium_2803 = 2803.531;
}  // namespace line

/// A line or blend of a quasar's broad-line region or narrow-line region.
struct QuasarLine {
    double wavelength;        ///< A, rest
    double equivalent_width;  ///< A, rest; the typical one
    double sigma;             ///< A; the typical one
    bool narrow;              ///< from the narrow-line region
    double baldwin;           ///< slope of log(equivalent width) with log(luminosity)
    double ionisation;        ///< 0 low, 1 high: high-ionisation lines are blueshifted
};

/// Composite quasar lines: Vanden Berk et al. 2001, AJ 122, 549, table 2 (vacuum).
std::span<const QuasarLine> quasar_lines();

/// Night-sky emission line: vacuum wavelength and strength in units of the sky continuum at 5200 A.
struct SkyLine {
    double wavelength;
    double strength;
};

/// OI, Na, Hg and OH lines (Osterbrock et al. 1996, PASP 108, 277); strengths as fibres at R ~ 2000
/// see them on a dark night at Apache Point.
std::span<const SkyLine> sky_lines();

}  // namespace balmer::data::simulation
