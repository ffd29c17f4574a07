#pragma once
// All rows of the catalogues of a run, joined, in memory; finds the row of a spectrum.

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/catalogue/catalogue.h"
#include "data/catalogue/data_root.h"
#include "data/catalogue/expression.h"
#include "data/spectrum.h"

namespace balmer::data {

/// About 200 bytes a row: the 11 million of LAMOST take 2 GB.
///
/// Rows of a later catalogue that mean the same spectrum as one of an earlier (same file and row,
/// else same survey and id, else same name of the spectrum) join it: they give what it
/// does not have. Rows of one catalogue never join each other.
class CatalogueIndex {
  public:
    /// `extra` columns are kept beside the common ones.
    explicit CatalogueIndex(std::vector<NamedColumn> extra = {}) : extra_(std::move(extra)) {}

    /// Adds every row of `catalogue`; the files it names lie below `root`. What `is_selected` says
    /// of a row is remembered; a row that joins another does not change what was said of that.
    void add(Catalogue& catalogue, const DataRoot& root,
             const std::function<bool(const CatalogueRow&)>& is_selected = {});

    std::size_t size() const { return records_.size(); }
    CatalogueRow row(std::size_t index) const;
    Value extra(std::size_t index, std::size_t column) const;
    bool is_selected(std::size_t index) const { return records_[index].is_selected; }
    /// Number of the catalogue, from 0 in the order of add().
    std::size_t catalogue_of(std::size_t index) const { return records_[index].catalogue; }

    /// The row of a spectrum: of its file and row; else of its file and id; else of its survey and
    /// id; else of the name of its file, where that is the survey's own; else of its file where the
    /// catalogue gives neither row nor another id. Of several that fit the first is taken.
    std::optional<std::size_t> find(const Spectrum& spectrum) const;

  private:
    /// z, z_err, zwarn, teff, logg, feh, snr, survey_snr, ra, dec: the order of Column.
    static constexpr std::size_t number_count = 10;

    struct Text {
        std::uint64_t offset = 0;
        std::uint32_t length = 0;
    };
    struct Record {
        double numbers[number_count];  ///< NaN where missing
        std::int64_t object_id;
        std::int64_t row;
        Text file;
        Text spectrum_name;
        std::uint32_t survey;
        std::uint32_t object_class;
        std::uint32_t subclass;
        std::uint32_t group;
        std::uint32_t run2d;
        std::uint16_t catalogue;
        bool is_selected;
    };
    using Key = std::pair<std::uint64_t, std::uint32_t>;  ///< hash and index of the record

    Record record_of(const CatalogueRow& row);
    void fill(Record& record, const Record& other) const;
    std::optional<std::size_t> find_key(std::uint64_t key) const;
    std::optional<std::size_t> find_row(const CatalogueRow& row,
                                        const std::vector<std::string>& paths) const;

    Text store(const std::string& text);
    std::string text(Text stored) const { return pool_.substr(stored.offset, stored.length); }
    std::uint32_t intern(std::string_view text);

    std::vector<NamedColumn> extra_;
    std::vector<Record> records_;
    std::vector<Value> extra_values_;  ///< of each record one after the other
    std::vector<Key> keys_;            ///< sorted between two calls of add()
    std::string pool_;
    std::deque<std::string> names_;
    std::unordered_map<std::string_view, std::uint32_t> name_numbers_;
    std::uint16_t catalogues_ = 0;
};

}  // namespace balmer::data
