#pragma once
// What a survey lists: one row a spectrum, its labels named alike for all surveys.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/catalogue/catalogue_table.h"
#include "data/catalogue/value.h"
#include "data/spectrum.h"

namespace balmer::data {

/// One row. What the catalogue does not give is missing.
struct CatalogueRow {
    std::string survey;         ///< "sdss", "lamost", "desi" or as a plain table names it; or empty
    std::string file;           ///< as the catalogue names it; empty if it names none
    std::int64_t row = -1;      ///< row inside the file; -1 if the catalogue does not say
    std::string spectrum_name;  ///< the survey's own name of the file, "spec-0314-51641-0211"
    std::string run2d;          ///< SDSS: version of the reduction, part of the paths
    std::int64_t object_id = 0;        ///< 64 bits as in Spectrum; 0 if none
    std::string group;                 ///< the same for spectra of one object; empty if none
    std::optional<double> ra;          ///< degrees
    std::optional<double> dec;         ///< degrees
    std::optional<double> snr;         ///< median flux * sqrt(ivar) over good pixels
    std::optional<double> survey_snr;  ///< the survey's own S/N, by its own definition
    Labels labels;
};

/// The columns that every catalogue row and every spectrum has, by their common names.
enum class Column : std::uint8_t {
    survey,
    file,
    row,
    object_id,
    group,
    object_class,
    subclass,
    z,
    z_err,
    zwarn,
    teff,
    logg,
    feh,
    snr,
    survey_snr,
    ra,
    dec,
};
inline constexpr std::size_t column_count = 17;

/// "survey", ..., "class", ..., "dec".
const char* name_of(Column column);
/// Whether its values are texts.
bool is_text(Column column);
/// A cell; texts are views into `row`.
Value value_of(const CatalogueRow& row, Column column);

/// The letters and digits of a name in lower case: surveys spell one name as zErr, Z_ERR or z_err.
std::string plain_name(std::string_view name);

/// Reads a catalogue row by row. Formats are recognised from the columns (in any spelling that
/// plain_name() makes equal), never from the file's name:
///
/// * DESI: TARGETID, Z, ZERR, ZWARN, SPECTYPE, SUBTYPE (redrock, zbest, zcatalog);
/// * LAMOST: obsid, or lmjd, planid, spid, fiberid; the S/N of a row is the root of the sum of
///   squares of snru..snrz, as its reader gives it. Names may carry the prefix `combined_`;
/// * SDSS: specObjID, or plate, mjd, fiberID (CasJobs tables, specObj and spAll files);
/// * plain: a file (`file`, `filename`, `path`) or `object_id`, and any of the common names or
///   their synonyms (cls, zerr, objid, ...).
///
/// Dropped and counted by name, never 0 (FAULTS 28): what is empty, NaN, infinite or -9999, an
/// error of z that is not above 0, the class "unknown", and Teff, log g and [Fe/H] together where
/// Teff is not above 0.
///
/// FormatError where no format fits (listing the columns, FAULTS 27), where two columns mean the
/// same, for a number that is none, for an id with decimals (its digits are lost), and for what
/// the table itself throws.
class Catalogue {
  public:
    explicit Catalogue(const std::string& path);
    /// A catalogue in memory; `name` stands for the file in errors.
    Catalogue(const std::string& name, std::string bytes);
    ~Catalogue();
    Catalogue(Catalogue&&) noexcept;

    /// "SDSS", "LAMOST", "DESI" or "plain".
    const char* format() const;
    const std::string& path() const { return path_; }
    /// All columns as written.
    const std::vector<std::string>& columns() const { return table_->columns(); }

    bool next(CatalogueRow& row);
    /// Rows that next() read.
    std::int64_t rows() const { return rows_; }

    /// Whether the catalogue gives that common column.
    bool has(Column column) const;

    /// The column of that name in any spelling; empty if there is none.
    std::optional<std::size_t> column(std::string_view name) const;
    /// What any column holds in the row that next() read; valid until it reads another.
    Value value(std::size_t column) const { return table_->value(column); }
    std::string_view text(std::size_t column) const { return table_->text(column); }

    /// How many values of a column that is there were missing, by common name.
    const std::map<std::string, std::int64_t>& dropped() const { return dropped_; }

  private:
    struct Layout;

    std::string path_;
    std::unique_ptr<Layout> layout_;
    std::unique_ptr<CatalogueTable> table_;
    std::int64_t rows_ = 0;
    std::map<std::string, std::int64_t> dropped_;
};

}  // namespace balmer::data
