#pragma once
// What SDSS's spec and plate files share: mask bits, ids, and the labels of the pipeline's tables.
// Sources: SDSS data model `spec`, `spPlate`, `spZbest`; bits: SDSS bitmask SPPIXMASK.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/fits/fits_file.h"
#include "data/spectrum.h"

namespace balmer::data {

/// One row of a table of the pipeline (SPECOBJ, SPALL, spZbest); every value is missing where there
/// is no table.
class SdssTableRow {
  public:
    SdssTableRow(const FitsFile& file, const Hdu* table, std::int64_t row = 0)
        : file_(file), table_(table), row_(row) {}

    std::optional<double> real(const char* name) const {
        return table_ == nullptr ? std::nullopt : file_.real_cell(*table_, name, row_);
    }
    std::optional<std::int64_t> integer(const char* name) const {
        return table_ == nullptr ? std::nullopt : file_.integer_cell(*table_, name, row_);
    }
    std::optional<std::string> text(const char* name) const {
        return table_ == nullptr ? std::nullopt : file_.text_cell(*table_, name, row_);
    }

  private:
    const FitsFile& file_;
    const Hdu* table_;
    std::int64_t row_;
};

/// CLASS, SUBCLASS, Z, Z_ERR, ZWARNING and the ELODIE parameters.
Labels sdss_labels(const SdssTableRow& row);

/// SN_MEDIAN_ALL, or SN_MEDIAN where that is one number.
std::optional<double> sdss_snr(const SdssTableRow& row);

/// What names an observation; -1 or "" where it is not known.
struct SdssObservation {
    std::int64_t plate = -1;
    std::int64_t mjd = -1;
    std::int64_t fiber = -1;
    std::string run2d;
};

/// Sets object name, PLATE-MJD-FIBER, and object id: `specobjid` (an unsigned number from plate
/// 8192 on above 2^63: its bits are kept) or what SDSS composes it of: plate, fiber, MJD - 50000
/// and run2d, from bit 50, 38, 24 and 10.
void identify_sdss(const SdssObservation& observation, std::optional<std::int64_t> specobjid,
                   Spectrum& spectrum);

/// Masks the pixels whose AND mask rejects them (`strict`: fibre-level bits too) and flags the
/// spectrum where a fibre-level bit is set.
void mask_sdss_pixels(const std::vector<std::int64_t>& and_mask, bool strict, Spectrum& spectrum);

}  // namespace balmer::data
