// DESI spectra of commissioning as a table of columns: WAVELENGTH or WAVE (vacuum A) and one column
// TARGET<id> of flux for each target, a row a pixel. The pixels of the three arms are sorted by
// wavelength, those of the overlaps twice, 1e-9 A apart; there is no inverse variance. Labels as in
// desi.cpp. Source: github.com/michaelJwilson/desihigh, student_andes.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "data/readers/arm_merger.h"
#include "data/readers/desi_labels.h"
#include "data/readers/surveys.h"

namespace balmer::data {
namespace {

constexpr std::string_view prefix = "TARGET";

/// The id in a column's name; empty unless it is `TARGET` and digits.
std::optional<std::int64_t> target_of(const FitsColumn& column) {
    const std::string_view name = column.name;
    if (!same_name(name.substr(0, prefix.size()), prefix)) return std::nullopt;
    const char* const end = name.data() + name.size();
    std::int64_t target = 0;
    const auto parsed = std::from_chars(name.data() + prefix.size(), end, target);
    const bool complete = parsed.ec == std::errc{} && parsed.ptr == end && target >= 0;
    return complete ? std::optional(target) : std::nullopt;
}

const FitsColumn* wavelength_of(const Hdu& hdu) {
    const FitsColumn* const column = hdu.column("WAVELENGTH");
    return column != nullptr ? column : hdu.column("WAVE");
}

/// The first table with a wavelength and a target, or nullptr.
const Hdu* table_of(const FitsFile& file) {
    const auto found = std::find_if(file.hdus().begin(), file.hdus().end(), [](const Hdu& hdu) {
        return hdu.is_table() && wavelength_of(hdu) != nullptr &&
               std::any_of(hdu.columns.begin(), hdu.columns.end(),
                           [](const FitsColumn& column) { return target_of(column).has_value(); });
    });
    return found == file.hdus().end() ? nullptr : &*found;
}

void require_scalar(const FitsFile& file, const Hdu& hdu, const FitsColumn& column) {
    if (column.repeat == 1) return;
    throw SpectrumError(file.path(), Status::missing_column,
                        fmt::format("HDU {}: column '{}' has format {}, one number a row is needed",
                                    hdu.index, column.name, column.format));
}

void read(const FitsFile& file, const ReadOptions& options, const ReadSink& sink) {
    const Hdu& table = *table_of(file);
    if (table.rows() == 0) {
        throw SpectrumError(file.path(), Status::no_rows,
                            fmt::format("HDU {}: the table has 0 rows", table.index));
    }
    require_scalar(file, table, *wavelength_of(table));
    constexpr std::size_t overlapping_arms = 2;
    const ArmMerger merger(file.path(), file.double_column(table, wavelength_of(table)->name),
                           overlapping_arms);
    std::vector<std::int64_t> targets;
    for (const FitsColumn& column : table.columns) {
        if (const auto target = target_of(column)) targets.push_back(*target);
    }
    const DesiLabels labels(file.path(), targets, options);
    std::int64_t row = 0;
    for (const FitsColumn& column : table.columns) {
        const auto target = target_of(column);
        if (!target) continue;
        require_scalar(file, table, column);
        Spectrum spectrum;
        spectrum.row = row++;
        spectrum.flux = file.float_column(table, column);
        spectrum.inverse_variance_known = false;
        spectrum.inverse_variance.assign(spectrum.flux.size(), 1.0F);
        spectrum.mask.assign(spectrum.flux.size(), 0);
        merger.merge(spectrum);
        labels.describe(*target, spectrum);
        sink.spectrum(std::move(spectrum));
    }
}

}  // namespace

SpectrumReader desi_target_columns_reader() {
    return {"desi", "table: one column of flux a target",
            [](const SourceFile& source) {
                return source.fits() != nullptr && table_of(*source.fits()) != nullptr;
            },
            [](const SourceFile& source, const ReadOptions& options, const ReadSink& sink) {
                read(*source.fits(), options, sink);
            }};
}

}  // namespace balmer::data
