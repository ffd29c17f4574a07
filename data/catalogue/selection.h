#pragma once
// What a user asks of the spectra of a run: labels from catalogues, a published selection, a
// filter.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/pack/pack_spectra.h"
#include "data/pack/spectrum_files.h"
#include "data/spectrum.h"

namespace balmer::data {

struct SelectionOptions {
    std::vector<std::string> catalogues;  ///< files; a later one joins the rows of an earlier
    std::string root;                     ///< where the files lie that they name; "": beside each
    std::vector<std::string> presets;     ///< names of selection_presets()
    std::string where;                    ///< see data/catalogue/expression.h; "": everything
    bool only_listed = true;  ///< leave out what no catalogue lists; false: it keeps its labels
};

/// A selection that was published.
struct SelectionPreset {
    const char* name;
    const char* survey;  ///< rows of other surveys are not asked
    const char* where;   ///< on the columns of the survey's catalogue
    const char* source;
};
const std::vector<SelectionPreset>& selection_presets();

/// Reasons of what the user asked to leave out.
inline constexpr const char* not_in_catalogue = "NOT_IN_CATALOGUE";
inline constexpr const char* not_selected = "NOT_SELECTED";

/// Reads the catalogues when it is made; const afterwards, so that child processes share it.
class CatalogueSelection {
  public:
    /// Nothing is asked for: every spectrum passes as it is.
    CatalogueSelection();
    /// UsageError for a preset or column that there is not (with the nearest name), an expression
    /// that makes no sense, presets without a catalogue of their survey, a root that is no folder;
    /// FormatError and IoError as Catalogue throws.
    explicit CatalogueSelection(const SelectionOptions& options);
    ~CatalogueSelection();
    CatalogueSelection(CatalogueSelection&&) noexcept;
    CatalogueSelection& operator=(CatalogueSelection&&) noexcept;

    /// Gives the spectrum the labels of its row in the catalogues: class, subclass, z, z_err,
    /// zwarn, teff, logg, feh, survey S/N, coordinates and, where the file has none, its id. A
    /// label that the catalogues have replaces that of the file; one that they do not have stays.
    /// Then says whether the spectrum is left out: it is in no catalogue (NOT_IN_CATALOGUE; unless
    /// it need not be and no preset is for its survey), or a preset or the filter drops it
    /// (NOT_SELECTED). The filter sees the labels after this and, where no catalogue gives `snr`,
    /// the S/N of the pixels (signal_to_noise).
    std::optional<LeftOut> apply(Spectrum& spectrum) const;

    /// Whether there are catalogues, and whether they name files.
    bool has_catalogues() const;
    bool names_files() const;

    /// Tells the files of the rows that pass, each once, in the order of the catalogues; and the
    /// rows whose file is not there or lies outside of the data root (FAULTS 32), with the reason.
    /// Returns how many rows it passed over since the catalogues alone show them to be left out.
    std::int64_t list_files(const std::function<void(const std::string& file)>& found,
                            const std::function<void(const RefusedPath& refused)>& refused) const;

    /// One line a catalogue: format, rows, values that are missing or were dropped, by name.
    const std::vector<std::string>& notes() const;

  private:
    struct Content;
    std::unique_ptr<Content> content_;
};

}  // namespace balmer::data
