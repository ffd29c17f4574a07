#pragma once
// The wavelength axis of a FITS image that holds one spectrum, from its header.

#include <vector>

#include "data/fits/fits_file.h"
#include "data/readers/wavelength_scale.h"

namespace balmer::data {

/// An image of one row: axes [N], [N, 1], [N, 1, 1], ...
bool is_one_row(const Hdu& hdu);

/// The header gives the first axis: COEFF0 and COEFF1, or CRVAL1 and a step (CD1_1 or CDELT1).
bool has_wavelength_axis(const FitsFile& file, const Hdu& hdu);

struct ImageAxis {
    std::vector<double> wavelength;  ///< one a pixel, in the unit of the file
    WavelengthScale stated;          ///< what the header says of medium and unit
};

/// The wavelengths of an HDU with has_wavelength_axis(), of pixels i = 1..N:
/// * log10: 10^(COEFF0 + (i - 1) COEFF1) in A (SDSS), or 10^w with w = CRVAL1 + (i - CRPIX1) step
///   where DC-FLAG = 1 (IRAF), LOGLAM = 1 or CTYPE1 mentions a logarithm;
/// * CTYPE1 `WAVE-LOG` or `AWAV-LOG` with a wavelength as CRVAL1: CRVAL1 exp((w - CRVAL1) / CRVAL1)
///   (Greisen et al. 2006, A&A 446, 747, equation 5);
/// * else linear: w.
/// A missing CRPIX1 counts as 1. The medium is that of CTYPE1 (WAVE vacuum, AWAV air), VACUUM or
/// AIRORVAC, the unit that of CUNIT1 or of IRAF's WAT1_001.
///
/// Throws SpectrumError (unknown_wavelength_unit) when a logarithm is not that of a wavelength.
ImageAxis read_wavelength_axis(const FitsFile& file, const Hdu& hdu);

}  // namespace balmer::data
