#include "data/readers/desi_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "data/fits/fits_file.h"
#include "data/pack/spectrum_files.h"
#include "data/readers/label_table.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t searched_files = 2000;

/// Whether the headers at the beginning of a file name the columns of a redshift table: spares
/// opening the spectra of a folder. Packed files are not looked into.
bool may_hold_redshifts(const fs::path& path) {
    constexpr std::streamsize headers = 1 << 16;
    std::error_code error;
    if (!fs::is_regular_file(path, error)) return false;
    std::ifstream file(path, std::ios::binary);
    std::string bytes(headers, '\0');
    file.read(bytes.data(), headers);
    bytes.resize(static_cast<std::size_t>(file.gcount()));
    if (bytes.starts_with("\x1f\x8b")) return true;
    return bytes.starts_with("SIMPLE") && bytes.find("'TARGETID'") != std::string::npos &&
           bytes.find("'SPECTYPE'") != std::string::npos;
}

std::optional<double> finite(double value) {
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

/// A column of numbers; empty if there is none.
std::vector<double> numbers(const FitsFile& file, const Hdu& table, const char* name) {
    const FitsColumn* const column = table.column(name);
    if (column == nullptr || column->repeat != 1) return {};
    return file.double_column(table, name);
}

std::optional<double> at(const std::vector<double>& values, std::size_t row) {
    return row < values.size() ? finite(values[row]) : std::nullopt;
}

}  // namespace

DesiLabels::Entries DesiLabels::read_table(const std::string& path, const Entries& wanted,
                                           const GateOptions& gate) {
    Entries found;
    const FitsFile file(path, open_fits_gate(path, gate));
    const Hdu* const table = redshift_table_of(file);
    if (table == nullptr) return found;
    const std::vector<std::int64_t> targets = file.integer_column(*table, "TARGETID");
    const std::vector<double> z = numbers(file, *table, "Z");
    const std::vector<double> z_err = numbers(file, *table, "ZERR");
    const std::vector<double> ra = numbers(file, *table, "TARGET_RA");
    const std::vector<double> dec = numbers(file, *table, "TARGET_DEC");
    for (std::size_t row = 0; row < targets.size(); ++row) {
        if (!wanted.contains(targets[row]) || found.contains(targets[row])) continue;
        const auto cell = static_cast<std::int64_t>(row);
        Labels labels;
        labels.object_class = file.text_cell(*table, "SPECTYPE", cell).value_or("");
        labels.subclass = file.text_cell(*table, "SUBTYPE", cell).value_or("");
        labels.z = at(z, row);
        labels.z_err = at(z_err, row);
        if (labels.z_err && *labels.z_err <= 0) labels.z_err.reset();
        labels.zwarn = file.integer_cell(*table, "ZWARN", cell);
        found[targets[row]] = {labels, at(ra, row), at(dec, row)};
    }
    return found;
}

bool DesiLabels::take_sibling(const std::string& path, const GateOptions& gate) {
    const fs::path folder = fs::path(path).parent_path();
    const std::string name = fs::path(path).filename();
    for (const std::string_view spectra : {"coadd", "spectra"}) {
        const std::size_t position = name.find(spectra);
        if (position == std::string::npos) continue;
        for (const char* const table : {"redrock", "zbest"}) {
            std::string sibling = name;
            sibling.replace(position, spectra.size(), table);
            const bool packed = sibling.ends_with(".gz");
            const std::string other =
                packed ? sibling.substr(0, sibling.size() - 3) : sibling + ".gz";
            for (const std::string& candidate : {sibling, other}) {
                std::error_code error;
                if (!fs::is_regular_file(folder / candidate, error)) continue;
                try {
                    const Entries found = read_table(folder / candidate, entries_, gate);
                    for (const auto& [target, entry] : found) entries_[target] = entry;
                    if (!found.empty()) return true;
                } catch (const SpectrumError&) {  // a search of the folder reports it
                }
            }
        }
    }
    return false;
}

void DesiLabels::search_folder(const std::string& path, const GateOptions& gate) {
    fs::path folder = fs::path(path).parent_path();
    if (folder.empty()) folder = ".";
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        if (is_named_like_fits(entry->path())) names.push_back(entry->path());
        if (names.size() > searched_files) return;
    }
    std::sort(names.begin(), names.end());
    Entries best;
    for (const std::string& name : names) {
        if (!may_hold_redshifts(name)) continue;
        Entries found;
        try {
            found = read_table(name, entries_, gate);
        } catch (const SpectrumError&) {
            continue;  // a search of the folder reports it
        }
        for (const auto& [target, entry] : found) {
            Entry& known = entries_[target];
            if (known.ra || !entry.ra || !entry.dec) continue;
            known.ra = entry.ra;
            known.dec = entry.dec;
        }
        if (found.size() > best.size()) best = std::move(found);
    }
    for (const auto& [target, entry] : best) {
        entries_[target].labels = entry.labels;
        if (!entry.ra || !entry.dec) continue;
        entries_[target].ra = entry.ra;
        entries_[target].dec = entry.dec;
    }
}

DesiLabels::DesiLabels(const std::string& path, std::span<const std::int64_t> targets,
                       const ReadOptions& options) {
    std::error_code error;
    if (!fs::exists(path, error)) return;  // bytes in memory lie beside nothing
    GateOptions gate;
    gate.byte_limit = options.byte_limit;
    gate.allow_compressed = options.allow_compressed;
    for (const std::int64_t target : targets) entries_.try_emplace(target);
    if (!take_sibling(path, gate)) search_folder(path, gate);
}

void DesiLabels::describe(std::int64_t target, Spectrum& spectrum) const {
    spectrum.survey = "desi";
    spectrum.object_id = target;
    spectrum.object_name = fmt::format("TARGETID {}", target);
    const auto found = entries_.find(target);
    const Entry entry = found == entries_.end() ? Entry{} : found->second;
    if (entry.labels) spectrum.labels = *entry.labels;
    if (spectrum.ra && spectrum.dec) return;
    spectrum.ra = entry.ra;
    spectrum.dec = entry.dec;
}

}  // namespace balmer::data
