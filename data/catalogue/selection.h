#pragma once
// What a user asks of the spectra of a run: labels from catalogues, a published selection, a
// filter.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/pack/spectrum_files.h"
#include "data/spectrum.h"

namespace balmer::data {

struct SelectionOptions {
    std::vector<std::string> catalogues;  ///< files; a later one joins the rows of an earlier
    std::string root;                     ///< where the files lie that they name; "": beside each
    std::vector<std::string> presets;     ///< names of selection_presets()
    std::string where;                    ///< see data/catalogue/expression.h; "": everything
};

/// A selection that was published.
struct SelectionPreset {
    const char* name;
    const char* survey;  ///< rows of other surveys are not asked
    const char* where;   ///< on the columns of the survey's catalogue
    const char* source;
};
const std::vector<SelectionPreset>& selection_presets();

/// Why a spectrum is left out: a name for tables and the detail.
struct LeftOut {
    std::string reason;  ///< "NOT_IN_CATALOGUE" or "NOT_SELECTED"
    std::string detail;
};

/// Reads the catalogues when it is made; const afterwards, so that child processes share it.
class Selection {
  public:
    /// Nothing is asked for: every spectrum passes as it is.
    Selection();
    /// UsageError for a preset or column that there is not (with the nearest name), an expression
    /// that makes no sense, presets without a catalogue of their survey, a root that is no folder;
    /// FormatError and IoError as Catalogue throws.
    explicit Selection(const SelectionOptions& options);
    ~Selection();
    Selection(Selection&&) noexcept;
    Selection& operator=(Selection&&) noexcept;

    /// Gives the spectrum the labels of its row in the catalogues: class, subclass, z, z_err,
    /// zwarn, teff, logg, feh, survey S/N, coordinates and, where the file has none, its id. A
    /// label that the catalogues have replaces that of the file; one that they do not have stays.
    /// Then says whether the spectrum is left out: it is in no catalogue (if there are any), a
    /// preset drops it, or the filter does, which sees the labels after this and, where no
    /// catalogue gives `snr`, the S/N of the pixels (signal_to_noise).
    std::optional<LeftOut> apply(Spectrum& spectrum) const;

    /// Whether there are catalogues, and whether they name files.
    bool has_catalogues() const;
    bool names_files() const;

    /// The files of the rows that pass, each once, in the order of the catalogues; rows whose file
    /// is not there or lies outside of the data root (FAULTS 32) with the reason. Rows that the
    /// catalogues alone show to be left out are counted in rows_left_out.
    struct Files {
        SpectrumFiles found;
        std::int64_t rows_left_out = 0;
    };
    Files files() const;

    /// One line a catalogue: format, rows, values that are missing or were dropped, by name.
    const std::vector<std::string>& notes() const;

  private:
    struct Content;
    std::unique_ptr<Content> content_;
};

}  // namespace balmer::data
