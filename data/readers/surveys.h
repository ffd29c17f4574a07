#pragma once
// The readers, one file each; reader.cpp holds them in order.

#include "data/readers/reader.h"

namespace balmer::data {

/// SDSS, BOSS and eBOSS `spec-PLATE-MJD-FIBER` files, full and lite.
SpectrumReader sdss_reader();

/// LAMOST low-resolution files in the image layout: one row of the primary image a quantity.
SpectrumReader lamost_reader();

/// Stellar libraries as 1-D images: air wavelengths, rest frame, no variance.
SpectrumReader miles_reader();
SpectrumReader stelib_reader();
SpectrumReader indo_us_reader();

/// Templates, eigenspectra and means: recognised in order to be refused (not_observed).
SpectrumReader template_reader();

/// Any other 1-D image with a wavelength axis.
SpectrumReader generic_image_reader();

}  // namespace balmer::data
