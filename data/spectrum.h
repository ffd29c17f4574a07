#pragma once
// One observed spectrum in memory: what every reader produces and everything after it consumes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace balmer::data {

/// What a survey says about an object. A label the survey does not give is absent, never 0.
struct Labels {
    std::string object_class;  ///< "STAR", "GALAXY", "QSO"; empty if missing
    std::string subclass;      ///< as the survey writes it; empty if missing
    std::optional<double> z;
    std::optional<double> z_err;
    std::optional<std::int64_t> zwarn;
    std::optional<double> teff;  ///< K
    std::optional<double> logg;  ///< dex, cgs
    std::optional<double> feh;   ///< [Fe/H], dex
};

/// Properties of a spectrum that do not make it unusable.
enum SpectrumFlag : std::uint32_t {
    fibre_flagged = 1U << 0,    ///< a fibre-level mask bit (SDSS bits 0-15) is set
    flux_not_finite = 1U << 1,  ///< NaN or infinite flux was masked
    bad_variance = 1U << 2,     ///< negative or non-finite inverse variance was set to 0
    rest_frame = 1U << 3,   ///< the star's velocity was taken out: nothing to learn a redshift from
    arm_missing = 1U << 4,  ///< an arm of the spectrograph gives no pixel, the others are used
    checksum_mismatch = 1U << 5,  ///< CHECKSUM or DATASUM of the file says otherwise than its bytes
};

/// Pixels are in vacuum wavelength (A), strictly increasing. All arrays have the same length.
/// A pixel is usable where mask is 0; masked pixels keep their flux where it is finite (else 0) and
/// have inverse_variance 0.
struct Spectrum {
    std::string file;                  ///< path as given
    std::int64_t row = 0;              ///< row inside the file
    std::string survey;                ///< "sdss", "lamost", ...
    std::int64_t object_id = 0;        ///< the survey's own 64-bit id; 0 if none
    std::string object_name;           ///< designation or star name; empty if none
    std::optional<double> ra;          ///< degrees
    std::optional<double> dec;         ///< degrees
    std::optional<double> survey_snr;  ///< the survey's own S/N, by its own definition
    Labels labels;

    std::vector<double> wavelength;
    std::vector<float> flux;
    std::vector<float> inverse_variance;
    std::vector<std::uint8_t> mask;         ///< 0 good, 1 bad
    bool inverse_variance_known = true;     ///< false: the file has none, weights are 1
    std::uint32_t flags = 0;                ///< SpectrumFlag bits
    std::int64_t not_finite_flux = 0;       ///< pixels masked for NaN or infinite flux
    std::int64_t bad_inverse_variance = 0;  ///< pixels whose variance was negative or not finite

    std::int64_t pixels() const { return static_cast<std::int64_t>(flux.size()); }
};

/// Why a spectrum was not used; the names go to tables (`status` of predictions, `reason` of
/// skipped.csv).
enum class Status : std::uint8_t {
    ok,
    not_a_file,               ///< missing, or a directory, FIFO or device
    not_fits,                 ///< empty, HTML or garbage
    truncated,                ///< header or data end early
    bad_structure,            ///< a header describes data that cannot be
    compressed_image,         ///< tile-compressed HDU without --allow-compressed
    bad_checksum,             ///< CHECKSUM or DATASUM says otherwise than the bytes (--strict)
    bad_gzip,                 ///< CRC error or larger than the byte limit
    unknown_layout,           ///< readable, but no reader recognises it
    not_observed,             ///< templates, eigenspectra and means: no spectrum of one object
    label_table,              ///< redshifts and other labels of spectra that stand in other files
    sky_fibre,                ///< a fibre that looks at the empty sky
    missing_column,           ///< a required column is absent or has the wrong type
    no_rows,                  ///< zero rows
    length_mismatch,          ///< arrays of different length
    bad_wavelength,           ///< not increasing, duplicate or NaN
    unknown_wavelength_unit,  ///< neither reader, header nor option says what it is
    little_coverage,          ///< fewer good pixels than the minimum
    no_data,                  ///< every pixel masked
    no_overlap,               ///< nothing inside the model's wavelength range
    decoder_failed,           ///< the FITS library reported an error or crashed
    timeout,                  ///< reading the file took longer than it may
    out_of_memory,            ///< reading the file needed more memory than it may
};

/// "OK", "TRUNCATED", "LITTLE_COVERAGE", "NODATA", ...
const char* name_of(Status status);

/// A spectrum that has to be skipped: FAULTS 1-21. `what()` names the file and the detail.
class SpectrumError : public Error {
  public:
    SpectrumError(const std::string& file, Status status, const std::string& detail)
        : Error(file + ": " + detail), file(file), status(status), detail(detail) {}
    std::string file;
    Status status;
    std::string detail;
};

/// Median over good pixels of flux * sqrt(inverse_variance); empty without known variance or good
/// pixels.
std::optional<double> signal_to_noise(const Spectrum& spectrum);

/// Number of pixels with mask 0.
std::int64_t good_pixels(const Spectrum& spectrum);

}  // namespace balmer::data
