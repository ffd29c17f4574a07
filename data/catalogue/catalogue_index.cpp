#include "data/catalogue/catalogue_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "kernels/core/error.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

const std::string no_survey = "?";  // ids of a table that names none
constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

/// What rows are found by; two of them are equal with a probability of 2^-64.
enum class KeyKind : std::uint64_t { file_and_row, file_and_id, survey_and_id, name };

std::uint64_t key_of(KeyKind kind, std::string text, std::int64_t number) {
    text += '\0';
    text.append(reinterpret_cast<const char*>(&number), sizeof(number));
    return XXH3_64bits_withSeed(text.data(), text.size(), static_cast<std::uint64_t>(kind));
}

/// Every way to find `row`, whose file is `path`.
std::vector<std::uint64_t> keys_of(const CatalogueRow& row, const std::string& path) {
    std::vector<std::uint64_t> keys;
    if (!path.empty()) keys.push_back(key_of(KeyKind::file_and_row, path, row.row));
    if (row.object_id != 0) {
        const std::string& survey = row.survey.empty() ? no_survey : row.survey;
        keys.push_back(key_of(KeyKind::survey_and_id, survey, row.object_id));
        if (!path.empty()) keys.push_back(key_of(KeyKind::file_and_id, path, row.object_id));
    }
    if (!row.spectrum_name.empty()) {
        keys.push_back(key_of(KeyKind::name, row.spectrum_name, 0));
    }
    return keys;
}

/// The name of a file without folders, .gz and .fits.
std::string stem_of(const std::string& path) {
    fs::path name = fs::path(path).filename();
    if (name.extension() == ".gz") name = name.stem();
    return name.extension() == ".fits" ? name.stem().string() : name.string();
}

}  // namespace

CatalogueIndex::Text CatalogueIndex::store(const std::string& text) {
    const Text stored = {pool_.size(), static_cast<std::uint32_t>(text.size())};
    pool_ += text;
    return stored;
}

std::uint32_t CatalogueIndex::intern(std::string_view text) {
    const auto found = name_numbers_.find(text);
    if (found != name_numbers_.end()) return found->second;
    const auto number = static_cast<std::uint32_t>(names_.size());
    name_numbers_.emplace(names_.emplace_back(text), number);
    return number;
}

CatalogueIndex::Record CatalogueIndex::record_of(const CatalogueRow& row) {
    Record record{};
    for (std::size_t i = 0; i < number_count; ++i) {
        const auto column = static_cast<Column>(static_cast<std::size_t>(Column::z) + i);
        record.numbers[i] = as_real(value_of(row, column)).value_or(not_known);
    }
    record.object_id = row.object_id;
    record.row = row.row;
    record.file = store(row.file);
    record.spectrum_name = store(row.spectrum_name);
    record.survey = intern(row.survey);
    record.object_class = intern(row.labels.object_class);
    record.subclass = intern(row.labels.subclass);
    record.group = intern(row.group);
    record.run2d = intern(row.run2d);
    record.catalogue = catalogues_;
    return record;
}

CatalogueRow CatalogueIndex::row(std::size_t index) const {
    const Record& record = records_[index];
    const auto number = [&](Column column) -> std::optional<double> {
        const double value =
            record.numbers[static_cast<std::size_t>(column) - static_cast<std::size_t>(Column::z)];
        return std::isnan(value) ? std::nullopt : std::optional(value);
    };
    CatalogueRow row;
    row.survey = names_[record.survey];
    row.file = text(record.file);
    row.row = record.row;
    row.spectrum_name = text(record.spectrum_name);
    row.run2d = names_[record.run2d];
    row.object_id = record.object_id;
    row.group = names_[record.group];
    row.ra = number(Column::ra);
    row.dec = number(Column::dec);
    row.snr = number(Column::snr);
    row.survey_snr = number(Column::survey_snr);
    row.labels.object_class = names_[record.object_class];
    row.labels.subclass = names_[record.subclass];
    row.labels.z = number(Column::z);
    row.labels.z_err = number(Column::z_err);
    if (const auto zwarn = number(Column::zwarn)) {
        row.labels.zwarn = static_cast<std::int64_t>(*zwarn);
    }
    row.labels.teff = number(Column::teff);
    row.labels.logg = number(Column::logg);
    row.labels.feh = number(Column::feh);
    return row;
}

Value CatalogueIndex::extra(std::size_t index, std::size_t column) const {
    return extra_values_[index * extra_.size() + column];
}

/// Gives `record` what it lacks and `other` has.
void CatalogueIndex::fill(Record& record, const Record& other) const {
    for (std::size_t i = 0; i < number_count; ++i) {
        if (std::isnan(record.numbers[i])) record.numbers[i] = other.numbers[i];
    }
    if (record.object_id == 0) record.object_id = other.object_id;
    if (record.file.length == 0) {
        record.file = other.file;
        record.row = other.row;
    }
    if (record.spectrum_name.length == 0) record.spectrum_name = other.spectrum_name;
    for (const auto member : {&Record::survey, &Record::object_class, &Record::subclass,
                              &Record::group, &Record::run2d}) {
        if (names_[record.*member].empty()) record.*member = other.*member;
    }
}

void CatalogueIndex::add(Catalogue& catalogue, const DataRoot& root,
                         const std::function<bool(const CatalogueRow&)>& is_selected) {
    std::vector<std::optional<std::size_t>> columns;
    for (const NamedColumn& extra : extra_) columns.push_back(catalogue.column(extra.name));
    const auto extra_value = [&](std::size_t i) -> Value {
        if (!columns[i]) return {};
        Value value = extra_[i].kind == ColumnKind::text ? Value{catalogue.text(*columns[i])}
                                                         : catalogue.value(*columns[i]);
        const auto* text = std::get_if<std::string_view>(&value);
        if (text == nullptr) return value;
        return text->empty() ? Value{} : Value{std::string_view(names_[intern(*text)])};
    };
    std::vector<Key> keys;
    CatalogueRow row;
    while (catalogue.next(row)) {
        if (records_.size() >= std::numeric_limits<std::uint32_t>::max()) {
            throw FormatError(catalogue.path(), "more than 2^32 rows in all");
        }
        const std::string path = row.file.empty() ? std::string{} : root.resolved(row.file);
        const Record record = record_of(row);
        const auto known = find_row(row, {path});
        const std::size_t index = known.value_or(records_.size());
        if (known) {
            fill(records_[index], record);
        } else {
            records_.push_back(record);
            records_.back().is_selected = !is_selected || is_selected(row);
            extra_values_.resize(extra_values_.size() + extra_.size());
        }
        for (std::size_t i = 0; i < extra_.size(); ++i) {
            Value& value = extra_values_[index * extra_.size() + i];
            if (is_missing(value)) value = extra_value(i);
        }
        for (const std::uint64_t key : keys_of(row, path)) {
            keys.emplace_back(key, static_cast<std::uint32_t>(index));
        }
    }
    ++catalogues_;
    keys_.insert(keys_.end(), keys.begin(), keys.end());
    std::sort(keys_.begin(), keys_.end());
}

std::optional<std::size_t> CatalogueIndex::find_key(std::uint64_t key) const {
    const auto found = std::lower_bound(keys_.begin(), keys_.end(), Key{key, 0});
    return found == keys_.end() || found->first != key ? std::nullopt
                                                       : std::optional<std::size_t>(found->second);
}

std::optional<std::size_t> CatalogueIndex::find_row(const CatalogueRow& row,
                                                    const std::vector<std::string>& paths) const {
    std::optional<std::size_t> found;
    const auto look_for = [&](KeyKind kind, const std::string& text, std::int64_t number) {
        if (!found && !text.empty()) found = find_key(key_of(kind, text, number));
    };
    for (const std::string& path : paths) {
        if (row.row >= 0) look_for(KeyKind::file_and_row, path, row.row);
    }
    for (const std::string& path : paths) {
        if (row.object_id != 0) look_for(KeyKind::file_and_id, path, row.object_id);
    }
    if (row.object_id != 0) look_for(KeyKind::survey_and_id, row.survey, row.object_id);
    if (!row.survey.empty()) look_for(KeyKind::name, row.spectrum_name, 0);
    if (found) return found;
    for (const std::string& path : paths) look_for(KeyKind::file_and_row, path, -1);
    if (found && row.object_id != 0) {
        const std::int64_t id = records_[*found].object_id;
        if (id != 0 && id != row.object_id) found.reset();
    }
    if (row.object_id != 0) look_for(KeyKind::survey_and_id, no_survey, row.object_id);
    return found;
}

std::optional<std::size_t> CatalogueIndex::find(const Spectrum& spectrum) const {
    CatalogueRow row;
    row.survey = spectrum.survey;
    row.row = spectrum.row;
    row.object_id = spectrum.object_id;
    row.spectrum_name = stem_of(spectrum.file);
    std::error_code error;
    std::vector<std::string> paths = {
        fs::absolute(spectrum.file, error).lexically_normal().string()};
    paths.push_back(fs::weakly_canonical(spectrum.file, error).string());
    return find_row(row, paths);
}

}  // namespace balmer::data
