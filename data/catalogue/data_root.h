#pragma once
// Where the files lie that a catalogue names.

#include <string>
#include <unordered_map>
#include <vector>

#include "data/catalogue/catalogue.h"

namespace balmer::data {

/// A folder of spectra, in any of the layouts in which surveys hand them out.
class DataRoot {
  public:
    /// UsageError if `folder` is none.
    explicit DataRoot(const std::string& folder);

    /// The file of a row, or why there is none; one of the two is empty.
    struct Found {
        std::string path;
        std::string problem;
    };

    /// Looks for the file that the row names: as it names it, or by its last part alone; for SDSS
    /// as [PLATE/]NAME.fits or RUN2D/spectra/[lite/|full/]PLATE/NAME.fits, for LAMOST as
    /// [[YYYYMMDD/]PLANID/]NAME.fits (the date of the night, one day before LMJD), each also with
    /// .gz. Neither a path with `..` nor a link leads out of the folder (FAULTS 32); directories,
    /// FIFOs and devices are found as they are and refused by who reads them (FAULTS 33).
    Found find(const CatalogueRow& row);

    /// The name as find() spells it, for comparison: absolute, without links in the folder's own
    /// path, "." or "..".
    std::string resolved(const std::string& file) const;

    const std::string& folder() const { return folder_; }

  private:
    std::string problem_of(const std::string& path);

    std::string folder_;
    std::string canonical_;
    std::unordered_map<std::string, bool> is_inside_;  ///< folders already looked at
};

/// The paths below a data root at which the file of a row may lie, in the order of find().
std::vector<std::string> candidate_files(const CatalogueRow& row);

}  // namespace balmer::data
