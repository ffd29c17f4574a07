#pragma once
// What a model says of spectra, one row a spectrum, and the tables it is written to.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "data/spectrum.h"
#include "vit/config.h"

namespace balmer::train {

struct PredictionRow {
    std::int64_t id = 0;  ///< the bits of the survey's own object id; 0 if none
    std::string survey;
    std::string file;
    std::int64_t row = 0;  ///< row inside the file
    std::string status = "OK";
    std::string reason;  ///< of a status other than OK
    double snr = std::numeric_limits<double>::quiet_NaN();
    /// By head: the probabilities of its labels, or {value, uncertainty}; empty where the spectrum
    /// could not be used.
    std::vector<std::vector<double>> outputs;
    data::Labels truth;  ///< what the input itself says

    bool is_predicted() const { return !outputs.empty(); }
};

/// One row an input spectrum, none lost.
struct PredictionTable {
    std::vector<vit::ModelConfig::Head> heads;
    std::vector<PredictionRow> rows;
};

/// The place of the most probable label.
std::size_t most_probable(const std::vector<double>& probabilities);

/// Redrock's ZWARN of a row: 0, 2^1 LITTLE_COVERAGE, or 2^9 NODATA for everything else that could
/// not be used.
std::int64_t zwarn_of(const PredictionRow& row);

/// Writes a CSV table (RFC 4180, missing values empty), atomically. Columns: id, survey, file, row,
/// status, reason, snr; for every classification its name and p_LABEL (p_TARGET_LABEL for others
/// than `class`); for every regression its name and NAME_err; and zwarn after z.
void write_predictions_csv(const std::string& path, const PredictionTable& table);

/// Writes a FITS binary table, atomically, with Redrock's names: TARGETID, SURVEY, FILE, ROW,
/// STATUS, REASON, SNR, then SPECTYPE, SUBTYPE, P_LABEL, Z, ZERR, ZWARN, TEFF, TEFF_ERR ... as the
/// model has heads for them; missing numbers are NaN. TARGETID is
/// a signed column, but an unsigned one (TZERO = 2^63) where an SDSS id is above 2^63. The
/// extension is called REDSHIFTS where there is a z, else PREDICTIONS.
void write_predictions_fits(const std::string& path, const PredictionTable& table);

}  // namespace balmer::train
