#pragma once
// What is in a packed set, as figures: redshift, S/N, class and wavelength coverage by survey.

#include <string>
#include <vector>

#include "data/pack/packed_set.h"

namespace balmer::data {

struct Figure {
    std::string name;  ///< of its file: "redshift.svg"
    std::string svg;
};

/// Redshift (logarithmic counts: stars are all near 0), S/N (the median over good pixels, where the
/// variance is known), class, and how many spectra reach over each wavelength. A quantity that no
/// spectrum has gives no figure.
std::vector<Figure> figures_of(const PackedSet& set);

}  // namespace balmer::data
