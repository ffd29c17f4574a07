#pragma once
// Labels of DESI spectra: redrock's redshift tables, which stand in files of their own, joined by
// TARGETID.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "data/readers/reader.h"
#include "data/spectrum.h"

namespace balmer::data {

class DesiLabels {
  public:
    /// Finds the labels of `targets` (TARGETIDs in the order of rows of the file at `path`):
    /// * in the file beside it whose name has `redrock` or `zbest` for `coadd` or `spectra`,
    /// * else in the redshift table of the folder that covers most of them (of equals the first by
    ///   name); folders of more than 2,000 files are not searched.
    /// What a file holds decides whether it is such a table; one that cannot be read is passed
    /// over. Targets that no table knows have no labels.
    DesiLabels(const std::string& path, std::span<const std::int64_t> targets,
               const ReadOptions& options);

    /// Sets object id and name, labels and, where it has none, coordinates.
    void describe(std::int64_t target, Spectrum& spectrum) const;

  private:
    struct Entry {
        std::optional<Labels> labels;
        std::optional<double> ra;
        std::optional<double> dec;
    };
    using Entries = std::unordered_map<std::int64_t, Entry>;

    static Entries read_table(const std::string& path, const Entries& wanted,
                              const GateOptions& gate);
    bool take_sibling(const std::string& path, const GateOptions& gate);
    void search_folder(const std::string& path, const GateOptions& gate);

    Entries entries_;
};

}  // namespace balmer::data
