#pragma once
// The atomic lines of stellar atmospheres.

#include <span>

#include "data/simulate/atmosphere.h"

namespace balmer::data::simulation {

/// One transition. Wavelengths are in air, as the source lists print them.
struct AtomicLine {
    double air_wavelength;  ///< A
    Element element;
    int stage;          ///< 0 neutral, 1 singly ionised, ...
    double excitation;  ///< of the lower level, eV
    double log_gf;
};

/// About 940 lines that shape spectra at R ~ 2000 between 2300 and 9300 A, hydrogen left out.
/// Wavelengths, energies and oscillator strengths after NIST ASD (Kramida et al., v5) and, for
/// weaker Fe-group lines, Kurucz's line lists (CD-ROM 23), to a few hundredths of a dex.
std::span<const AtomicLine> atomic_lines();

}  // namespace balmer::data::simulation
