#include "data/catalogue/selection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "data/catalogue/catalogue_index.h"
#include "data/fits/fits_card.h"
#include "kernels/core/error.h"
#include "kernels/core/nearest_name.h"

namespace balmer::data {
namespace {

using Cell = std::function<Value(std::size_t)>;

std::vector<NamedColumn> common_columns() {
    std::vector<NamedColumn> columns;
    for (std::size_t i = 0; i < column_count; ++i) {
        const auto column = static_cast<Column>(i);
        columns.push_back(
            {name_of(column), is_text(column) ? ColumnKind::text : ColumnKind::number});
    }
    return columns;
}

std::optional<Column> common_column(const std::string& name) {
    for (std::size_t i = 0; i < column_count; ++i) {
        const auto column = static_cast<Column>(i);
        if (name == name_of(column)) return column;
    }
    return std::nullopt;
}

/// A preset's expression, which is asked of the rows of its survey's catalogues.
struct Preset {
    const SelectionPreset* published;
    Expression where;

    bool is_for(const Catalogue& catalogue) const {
        return plain_name(catalogue.format()) == published->survey;
    }

    /// The first column that it asks for and the catalogue does not have; "" if it has all.
    std::string missing_column(const Catalogue& catalogue) const {
        for (const NamedColumn& used : where.columns()) {
            const auto common = common_column(used.name);
            const bool is_there =
                common ? catalogue.has(*common) : catalogue.column(used.name).has_value();
            if (!is_there) return used.name;
        }
        return "";
    }

    /// One catalogue of the survey must have all that is asked for, others may only add labels.
    void require_catalogue(const std::vector<Catalogue>& catalogues) const {
        const Catalogue* nearest = nullptr;
        for (const Catalogue& catalogue : catalogues) {
            if (!is_for(catalogue)) continue;
            if (missing_column(catalogue).empty()) return;
            if (nearest == nullptr) nearest = &catalogue;
        }
        if (nearest == nullptr) {
            throw UsageError(fmt::format("{} needs a catalogue of {}, there is none",
                                         published->name, published->survey));
        }
        std::vector<std::string> found;
        for (const std::string& name : nearest->columns()) found.push_back(printable(name));
        throw FormatError(
            nearest->path(),
            fmt::format("no column '{}', which {} asks for; columns found: {}",
                        missing_column(*nearest), published->name, fmt::join(found, ", ")));
    }

    bool selects(const Catalogue& catalogue, const CatalogueRow& row) const {
        return where.matches([&](std::size_t i) -> Value {
            const NamedColumn& used = where.columns()[i];
            if (const auto common = common_column(used.name)) return value_of(row, *common);
            const auto column = catalogue.column(used.name);
            if (!column) return {};
            if (used.kind != ColumnKind::text) return catalogue.value(*column);
            const std::string_view text = catalogue.text(*column);
            return text.empty() ? Value{} : Value{text};
        });
    }
};

std::vector<Preset> presets_named(const std::vector<std::string>& names) {
    std::vector<Preset> presets;
    for (const std::string& name : names) {
        const auto& all = selection_presets();
        const auto found = std::find_if(all.begin(), all.end(),
                                        [&](const auto& preset) { return name == preset.name; });
        if (found == all.end()) {
            std::vector<std::string> known;
            known.reserve(all.size());
            for (const auto& preset : all) known.emplace_back(preset.name);
            throw unknown_name("selection", name, known);
        }
        presets.push_back({&*found, Expression(found->where)});
    }
    return presets;
}

void take_labels(const CatalogueRow& row, Spectrum& spectrum) {
    const auto replace = [](auto& label, const auto& value) {
        if (value) label = value;
    };
    Labels& labels = spectrum.labels;
    if (!row.labels.object_class.empty()) labels.object_class = row.labels.object_class;
    if (!row.labels.subclass.empty()) labels.subclass = row.labels.subclass;
    replace(labels.z, row.labels.z);
    replace(labels.z_err, row.labels.z_err);
    replace(labels.zwarn, row.labels.zwarn);
    replace(labels.teff, row.labels.teff);
    replace(labels.logg, row.labels.logg);
    replace(labels.feh, row.labels.feh);
    replace(spectrum.ra, row.ra);
    replace(spectrum.dec, row.dec);
    replace(spectrum.survey_snr, row.survey_snr);
    if (spectrum.object_id == 0) spectrum.object_id = row.object_id;
}

/// What a filter sees of a spectrum; `snr` and the group only its catalogue knows.
CatalogueRow row_of(const Spectrum& spectrum, CatalogueRow known) {
    known.survey = spectrum.survey;
    known.file = spectrum.file;
    known.row = spectrum.row;
    known.object_id = spectrum.object_id;
    known.ra = spectrum.ra;
    known.dec = spectrum.dec;
    known.survey_snr = spectrum.survey_snr;
    known.labels = spectrum.labels;
    return known;
}

std::string note_of(const Catalogue& catalogue) {
    std::string note =
        fmt::format("{}: {}, {} rows", catalogue.path(), catalogue.format(), catalogue.rows());
    std::string missing;
    for (const auto& [name, number] : catalogue.dropped()) {
        missing += fmt::format("{}{} {}", missing.empty() ? "" : ", ", name, number);
    }
    return missing.empty() ? note : note + ", without a value: " + missing;
}

}  // namespace

const std::vector<SelectionPreset>& selection_presets() {
    static const std::vector<SelectionPreset> presets = {
        {"paper-sdss", "sdss", "zwarn == 0 && instrument == 'BOSS' && targettype == 'SCIENCE'",
         "SDSS DR18 of Strano Moraes et al. 2026 (A&A 709, A122)"},
        {"paper-lamost", "lamost",
         "!missing(z) && !missing(z_err) && !missing(snru) && !missing(snrg) && !missing(snrr) && "
         "!missing(snri) && !missing(snrz)",
         "LAMOST DR10 v2.0 of Strano Moraes et al. 2026 (A&A 709, A122)"},
    };
    return presets;
}

struct CatalogueSelection::Content {
    std::vector<const SelectionPreset*> presets;
    bool only_listed = true;
    std::optional<Expression> where;
    std::vector<DataRoot> roots;
    CatalogueIndex index;
    std::vector<std::optional<Column>> common;  ///< of each column of `where`
    std::vector<std::size_t> extra;             ///< else its place among the index's extra columns
    bool names_files = false;
    std::vector<std::string> notes;

    /// Which columns of the filter are common ones, which come from catalogues.
    std::vector<NamedColumn> bind(const std::vector<Catalogue>& catalogues) {
        std::vector<NamedColumn> extras;
        if (!where) return extras;
        std::vector<NamedColumn> known = common_columns();
        for (const NamedColumn& used : where->columns()) {
            common.push_back(common_column(used.name));
            extra.push_back(extras.size());
            if (common.back()) continue;
            for (const Catalogue& catalogue : catalogues) {
                if (!catalogue.column(used.name)) continue;
                known.push_back({used.name, ColumnKind::any});
                extras.push_back(used);
                break;
            }
        }
        for (const Catalogue& catalogue : catalogues) {
            for (const std::string& name : catalogue.columns()) {
                const bool is_there = std::any_of(known.begin(), known.end(), [&](const auto& one) {
                    return plain_name(one.name) == plain_name(name);
                });
                if (!is_there) known.push_back({name, ColumnKind::any});  // to be suggested
            }
        }
        where->require_columns(known);
        return extras;
    }

    Value cell(const CatalogueRow& row, std::optional<std::size_t> record, std::size_t i) const {
        if (common[i]) return value_of(row, *common[i]);
        return record ? index.extra(*record, extra[i]) : Value{};
    }

    bool must_be_listed(const Spectrum& spectrum) const {
        return only_listed || std::any_of(presets.begin(), presets.end(), [&](const auto* preset) {
                   return preset->survey == spectrum.survey;
               });
    }

    std::string preset_names() const {
        std::vector<std::string> names;
        for (const auto* preset : presets) names.emplace_back(preset->name);
        return fmt::format("{}", fmt::join(names, ", "));
    }

    /// False only where the catalogues alone decide: with every value that the filter asks for
    /// known, the file changes nothing.
    bool may_pass(std::size_t record) const {
        if (!index.is_selected(record)) return false;
        if (!where) return true;
        const CatalogueRow row = index.row(record);
        for (const auto& column : common) {
            if (!column) continue;
            const bool is_of_the_file = *column == Column::survey || *column == Column::file ||
                                        *column == Column::row || *column == Column::object_id;
            if (is_of_the_file || is_missing(value_of(row, *column))) return true;
        }
        return where->matches([&](std::size_t i) { return cell(row, record, i); });
    }

    bool passes(const Spectrum& spectrum, std::optional<std::size_t> record) const {
        CatalogueRow row = row_of(spectrum, record ? index.row(*record) : CatalogueRow{});
        const bool asks_for_snr =
            std::find(common.begin(), common.end(), Column::snr) != common.end();
        if (asks_for_snr && !row.snr) row.snr = signal_to_noise(spectrum);
        return where->matches([&](std::size_t i) { return cell(row, record, i); });
    }

    void add(Catalogue catalogue, const std::string& folder, const std::vector<Preset>& all) {
        std::vector<const Preset*> asked;
        for (const Preset& preset : all) {
            if (preset.is_for(catalogue)) asked.push_back(&preset);
        }
        roots.emplace_back(folder);
        index.add(catalogue, roots.back(), [&](const CatalogueRow& row) {
            names_files = names_files || !row.file.empty() || !row.spectrum_name.empty();
            return std::all_of(asked.begin(), asked.end(), [&](const Preset* preset) {
                return preset->selects(catalogue, row);
            });
        });
        notes.push_back(note_of(catalogue));
    }
};

CatalogueSelection::CatalogueSelection() : content_(std::make_unique<Content>()) {}
CatalogueSelection::~CatalogueSelection() = default;
CatalogueSelection::CatalogueSelection(CatalogueSelection&&) noexcept = default;
CatalogueSelection& CatalogueSelection::operator=(CatalogueSelection&&) noexcept = default;

CatalogueSelection::CatalogueSelection(const SelectionOptions& options) : CatalogueSelection() {
    Content& content = *content_;
    const std::vector<Preset> presets = presets_named(options.presets);
    if (!options.where.empty()) content.where.emplace(options.where);
    std::vector<Catalogue> catalogues;
    for (const std::string& path : options.catalogues) catalogues.emplace_back(path);
    for (const Preset& preset : presets) preset.require_catalogue(catalogues);
    for (const Preset& preset : presets) content.presets.push_back(preset.published);
    content.only_listed = options.only_listed;
    content.index = CatalogueIndex(content.bind(catalogues));
    for (Catalogue& catalogue : catalogues) {
        const std::string beside = std::filesystem::path(catalogue.path()).parent_path().string();
        content.add(std::move(catalogue), options.root.empty() ? beside : options.root, presets);
    }
}

std::optional<LeftOut> CatalogueSelection::apply(Spectrum& spectrum) const {
    const Content& content = *content_;
    std::optional<std::size_t> record;
    if (has_catalogues()) {
        record = content.index.find(spectrum);
        if (!record && content.must_be_listed(spectrum)) {
            return LeftOut{not_in_catalogue, "no row of the catalogues is of it"};
        }
        if (record && !content.index.is_selected(*record)) {
            return LeftOut{not_selected, "dropped by " + content.preset_names()};
        }
        if (record) take_labels(content.index.row(*record), spectrum);
    }
    if (content.where && !content.passes(spectrum, record)) {
        return LeftOut{not_selected, "not " + content.where->text()};
    }
    return std::nullopt;
}

bool CatalogueSelection::has_catalogues() const {
    return !content_->roots.empty();
}
bool CatalogueSelection::names_files() const {
    return content_->names_files;
}
const std::vector<std::string>& CatalogueSelection::notes() const {
    return content_->notes;
}

std::int64_t CatalogueSelection::list_files(
    const std::function<void(const std::string&)>& found,
    const std::function<void(const RefusedPath&)>& refused) const {
    std::int64_t passed_over = 0;
    std::vector<DataRoot> roots = content_->roots;
    std::unordered_set<std::size_t> seen;  // hashes: paths would take more than the rows
    for (std::size_t record = 0; record < content_->index.size(); ++record) {
        if (!content_->may_pass(record)) {
            ++passed_over;
            continue;
        }
        const CatalogueRow row = content_->index.row(record);
        const auto named = candidate_files(row);
        if (named.empty()) continue;
        const auto [path, problem] = roots[content_->index.catalogue_of(record)].find(row);
        const std::string& shown = path.empty() ? named[0] : path;
        if (!seen.insert(std::hash<std::string>{}(shown)).second) continue;
        if (problem.empty()) {
            found(path);
        } else {
            refused({named[0], problem});
        }
    }
    return passed_over;
}

}  // namespace balmer::data
