#pragma once
// Simulated spectra as survey files: the surveys' own FITS layouts and a catalogue.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/simulate/simulator.h"

namespace balmer::data {

/// `spec-PLATE-MJD-FIBER.fits` or `spec-LMJD-PLANID_spSS-FFF.fits`.
std::string survey_file_name(const SimulatedSpectrum& simulated);

/// An SDSS "lite" file: empty primary HDU, COADD table (flux, loglam, ivar, and_mask, or_mask,
/// wdisp, sky, model), one-row SPALL table with the labels, one-row SPZLINE table. Format:
/// https://data.sdss.org/datamodel/files/SPECTRO_REDUX/RUN2D/spectra/lite/PLATE4/spec.html.
/// Missing ELODIE parameters are 0, as in the survey. Throws Error if CFITSIO refuses.
/// Not thread-safe: CFITSIO keeps one error stack a process.
std::vector<std::uint8_t> write_sdss(const SimulatedSpectrum& simulated);

/// A LAMOST low-resolution file: one image of five rows (flux, inverse variance, wavelength,
/// and-mask, or-mask), labels in the header. Format: LAMOST DR7 "Description of data products".
/// Errors and threads as `write_sdss`.
std::vector<std::uint8_t> write_lamost(const SimulatedSpectrum& simulated);

/// Header of `catalog.csv`: file,survey,object_id,ra,dec,class,subclass,z,z_err,zwarn,teff,logg,
/// feh,snr.
std::string catalog_header();

/// A line of `catalog.csv` without the newline; a missing label is an empty field.
std::string catalog_row(const SimulatedSpectrum& simulated);

/// Simulates `options.count` spectra into `out_dir`: one FITS file each and `catalog.csv`. Every
/// file appears complete or not at all (written beside, then renamed); the catalogue comes last.
/// `progress(done, total)` is called from the calling thread after every block. Throws UsageError
/// when `out_dir` is a file, or not empty without `overwrite` (FAULTS 53); IoError when the
/// operating system refuses.
void simulate_survey(const std::string& out_dir, const SimulationOptions& options,
                     const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace balmer::data
