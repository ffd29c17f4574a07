#pragma once
// Simulated spectra as survey files: the surveys' own FITS layouts and a catalogue.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/simulate/simulator.h"

namespace balmer::data {

/// `spec-PLATE-MJD-FIBER.fits`, `spec-LMJD-PLANID_spSS-FFF.fits` or, for all targets of one file,
/// `coadd-sim-dark-NUMBER.fits`.
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

/// A file of DESI's spectra and that of their redshifts.
struct DesiFiles {
    std::vector<std::uint8_t> coadd;
    std::vector<std::uint8_t> redrock;
};

/// DESI files of these targets, in their order: a coadd (FIBERMAP and, an arm each, WAVELENGTH,
/// FLUX, IVAR and MASK; without the resolution matrices) and the redrock table (REDSHIFTS,
/// FIBERMAP) that belongs to it. Format: DESI data model, `coadd-SURVEY-PROGRAM-PIXNUM`,
/// `redrock-SURVEY-PROGRAM-PIXNUM`. Throws UsageError without targets. Errors and threads as
/// `write_sdss`.
DesiFiles write_desi(std::span<const SimulatedSpectrum> targets);

/// Header of `catalog.csv`: file,survey,object_id,ra,dec,class,subclass,z,z_err,zwarn,teff,logg,
/// feh,snr.
std::string catalog_header();

/// A line of `catalog.csv` without the newline; a missing label is an empty field.
std::string catalog_row(const SimulatedSpectrum& simulated);

/// Simulates `options.count` spectra into `out_dir`: one FITS file each (DESI: a coadd and a
/// redrock file for every `targets_per_desi_file`) and `catalog.csv`. Every file appears complete
/// or not at all (written beside, then renamed); the catalogue comes last. `progress(done, total)`
/// is called from the calling thread after every block. Throws UsageError when `out_dir` is a file,
/// or not empty without `overwrite` (FAULTS 53); IoError when the operating system refuses.
void simulate_survey(const std::string& out_dir, const SimulationOptions& options,
                     const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace balmer::data
