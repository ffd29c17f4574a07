#pragma once
// What all layouts of LAMOST low-resolution files share: the primary header.
// Source: LAMOST data release documents, "1D spectra FITS file".

#include <optional>
#include <string>
#include <vector>

#include "data/fits/fits_file.h"
#include "data/spectrum.h"

namespace balmer::data {

/// Whether the header names LAMOST as telescope, origin, author or data release.
bool is_lamost(const FitsFile& file);

/// The header's wavelengths of `pixels` pixels, vacuum A, from 10^(COEFF0 + i COEFF1) or CRVAL1 and
/// CD1_1: the origin of those in the data before they were rounded to float. But `written`, the
/// wavelengths in the data, where the header has none or the two differ by more than a tenth of a
/// pixel (a file cut or resampled by someone else). Empty when neither is there.
/// Throws SpectrumError(unknown_wavelength_unit) where the header says air.
std::vector<double> lamost_wavelength(const FitsFile& file, std::size_t pixels,
                                      std::vector<double> written);

/// Masks the pixels whose AND mask is not 0.
void mask_lamost_pixels(const std::vector<float>& and_mask, Spectrum& spectrum);

/// Sets survey, id, designation, coordinates, S/N (root of the sum of squares over the five bands,
/// SNRU or SN_U ...) and labels from the header; -9999 and 'Unknown' are missing values.
void describe_lamost(const FitsFile& file, Spectrum& spectrum);

}  // namespace balmer::data
