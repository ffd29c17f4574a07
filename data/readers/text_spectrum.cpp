// One spectrum as text (see text_table.h): columns `wavelength` and `flux`, and perhaps an error
// and a mask. Medium and unit of the wavelengths are what the title says ("wave_air [nm]") or the
// user (ReadOptions::wavelength). Two columns without titles are wavelength and flux.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "data/readers/surveys.h"
#include "data/readers/variance.h"

namespace balmer::data {
namespace {

[[noreturn]] void fail_missing(const SourceFile& source, const char* what) {
    std::vector<std::string> names;
    for (const TextColumn& column : source.text()->columns) names.push_back(column.name);
    throw SpectrumError(
        source.path(), Status::missing_column,
        fmt::format("no column of the {}; columns found: {}", what, fmt::join(names, ", ")));
}

struct Columns {
    const TextColumn* wavelength = nullptr;
    bool is_log = false;
    const TextColumn* flux = nullptr;
    const TextColumn* error = nullptr;
    const TextColumn* mask = nullptr;
};

Columns columns_of(const SourceFile& source) {
    const TextTable& table = *source.text();
    Columns columns;
    if (!table.has_titles) {
        if (table.columns.size() != 2) {
            throw SpectrumError(source.path(), Status::missing_column,
                                fmt::format("no titles tell what its {} columns are (wavelength, "
                                            "flux, ivar or error, mask)",
                                            table.columns.size()));
        }
        return {.wavelength = &table.columns[0], .flux = &table.columns[1]};
    }
    columns.wavelength = table.column(wavelength_titles());
    if (columns.wavelength == nullptr) {
        columns.wavelength = table.column(log_wavelength_titles());
        columns.is_log = true;
    }
    columns.flux = table.column(flux_titles());
    if (columns.wavelength == nullptr) fail_missing(source, "wavelength");
    if (columns.flux == nullptr) fail_missing(source, "flux");
    const auto error = std::find_if(table.columns.begin(), table.columns.end(),
                                    [](const auto& one) { return variance_meaning(one.name); });
    if (error != table.columns.end()) columns.error = &*error;
    columns.mask = table.column(mask_titles());
    return columns;
}

std::vector<float> narrowed(const std::vector<double>& values) {
    return {values.begin(), values.end()};
}

void read(const SourceFile& source, const ReadOptions& options, const ReadSink& sink) {
    const Columns columns = columns_of(source);
    Spectrum spectrum;
    spectrum.survey = "generic";
    spectrum.flux = narrowed(columns.flux->values);
    spectrum.wavelength = columns.wavelength->values;
    WavelengthScale stated = columns.wavelength->stated;
    if (columns.is_log) {
        stated = stated.or_else({std::nullopt, WavelengthUnit::angstrom});
        for (double& value : spectrum.wavelength) value = std::pow(10.0, value);
    }
    to_vacuum_angstrom(source.path(), stated.or_else(options.wavelength), spectrum.wavelength);
    spectrum.inverse_variance_known = columns.error != nullptr;
    spectrum.inverse_variance = columns.error == nullptr
                                    ? std::vector<float>(spectrum.flux.size(), 1.0F)
                                    : inverse_variance(narrowed(columns.error->values),
                                                       *variance_meaning(columns.error->name));
    spectrum.mask.assign(spectrum.flux.size(), 0);
    if (columns.mask != nullptr) {
        std::transform(columns.mask->values.begin(), columns.mask->values.end(),
                       spectrum.mask.begin(),
                       [](double bits) { return static_cast<std::uint8_t>(bits != 0.0); });
    }
    sink.spectrum(std::move(spectrum));
}

}  // namespace

SpectrumReader text_spectrum_reader() {
    return {"generic", "text: one pixel a line",
            [](const SourceFile& source) { return source.text() != nullptr; }, read};
}

}  // namespace balmer::data
