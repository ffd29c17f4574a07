#pragma once
// The readers, one file each; reader.cpp holds them in order.

#include "data/readers/reader.h"

namespace balmer::data {

/// SDSS, BOSS and eBOSS `spec-PLATE-MJD-FIBER` files, full and lite.
SpectrumReader sdss_reader();

/// SDSS, BOSS and eBOSS `spPlate` files: an image of all fibres of a plate.
SpectrumReader sdss_plate_reader();

/// LAMOST low-resolution files in the image layout: one row of the primary image a quantity.
SpectrumReader lamost_reader();

/// LAMOST low-resolution files from DR8 on: a table of one row whose columns are arrays.
SpectrumReader lamost_table_reader();

/// DESI coadd and spectra files: images of each arm, merged where the arms overlap.
SpectrumReader desi_reader();

/// DESI spectra as a table with one column of flux a target.
SpectrumReader desi_target_columns_reader();

/// Stellar libraries as 1-D images: air wavelengths, rest frame, no variance.
SpectrumReader miles_reader();
SpectrumReader stelib_reader();
SpectrumReader indo_us_reader();

/// Templates, eigenspectra and means: recognised in order to be refused (not_observed).
SpectrumReader template_reader();

/// HDF5 files of the Multimodal Universe: one row a spectrum.
SpectrumReader multimodal_universe_reader();

/// Any other 1-D image with a wavelength axis.
SpectrumReader generic_image_reader();

/// Text: one pixel a line, columns with titles.
SpectrumReader text_spectrum_reader();

}  // namespace balmer::data
