#include "data/pack/shard_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "kernels/core/error.h"
#include "kernels/resample/resample.h"

namespace balmer::data {
namespace {

double or_missing(const std::optional<double>& value) {
    return value && std::isfinite(*value) ? *value : std::numeric_limits<double>::quiet_NaN();
}

template <class T>
void append_all(std::vector<T>& column, const std::vector<T>& values) {
    column.insert(column.end(), values.begin(), values.end());
}

void append_text(std::vector<std::uint8_t>& bytes, std::vector<std::int64_t>& offset,
                 const std::string& text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    offset.push_back(static_cast<std::int64_t>(bytes.size()));
}

void expect_equal_lengths(const Spectrum& spectrum) {
    const std::size_t size = spectrum.flux.size();
    if (spectrum.wavelength.size() != size || spectrum.inverse_variance.size() != size ||
        spectrum.mask.size() != size) {
        throw ShapeError(
            fmt::format("{}: {} wavelengths, {} fluxes, {} inverse variances, {} mask "
                        "values",
                        spectrum.file, spectrum.wavelength.size(), size,
                        spectrum.inverse_variance.size(), spectrum.mask.size()));
    }
}

}  // namespace

NameIndex::NameIndex(const std::vector<std::string>& names) {
    for (const auto& name : names) index_of(name);
}

std::int32_t NameIndex::index_of(const std::string& name) {
    if (name.empty()) return -1;
    const auto [entry, inserted] =
        indices_.try_emplace(name, static_cast<std::int32_t>(names_.size()));
    if (inserted) names_.push_back(name);
    return entry->second;
}

ShardBuilder::ShardBuilder(PixelStore store) : store_(store) {
    clear();
}

void ShardBuilder::append(const Spectrum& spectrum, ShardNames& names) {
    expect_equal_lengths(spectrum);
    auto& columns = columns_;
    append_all(columns.wavelength, spectrum.wavelength);
    append_pixels(spectrum);
    append_all(columns.mask, spectrum.mask);
    columns.offset.push_back(static_cast<std::int64_t>(columns.flux.size()));
    columns.grid_start.push_back(
        kernels::grid_start(spectrum.wavelength).value_or(missing_integer));
    columns.row.push_back(spectrum.row);
    columns.object_id.push_back(spectrum.object_id);
    columns.group.push_back(0);  // known at the end
    columns.split.push_back(0);
    const Labels& labels = spectrum.labels;
    columns.survey.push_back(names.surveys.index_of(spectrum.survey));
    columns.object_class.push_back(names.classes.index_of(labels.object_class));
    columns.subclass.push_back(names.subclasses.index_of(labels.subclass));
    columns.z.push_back(or_missing(labels.z));
    columns.z_err.push_back(or_missing(labels.z_err));
    columns.zwarn.push_back(labels.zwarn.value_or(missing_integer));
    columns.teff.push_back(or_missing(labels.teff));
    columns.logg.push_back(or_missing(labels.logg));
    columns.feh.push_back(or_missing(labels.feh));
    columns.ra.push_back(or_missing(spectrum.ra));
    columns.dec.push_back(or_missing(spectrum.dec));
    columns.snr.push_back(or_missing(signal_to_noise(spectrum)));
    columns.survey_snr.push_back(or_missing(spectrum.survey_snr));
    columns.flags.push_back(spectrum.flags);
    columns.not_finite_flux.push_back(spectrum.not_finite_flux);
    columns.bad_inverse_variance.push_back(spectrum.bad_inverse_variance);
    columns.inverse_variance_known.push_back(spectrum.inverse_variance_known ? 1 : 0);
    append_text(columns.file_bytes, columns.file_offset, spectrum.file);
    append_text(columns.object_name_bytes, columns.object_name_offset, spectrum.object_name);
}

/// Flux and inverse variance such that the store holds them.
void ShardBuilder::append_pixels(const Spectrum& spectrum) {
    auto& columns = columns_;
    const std::int32_t exponent = store_ == PixelStore::f16 ? flux_exponent(spectrum.flux) : 0;
    if (store_ == PixelStore::f16) columns.flux_exponent.push_back(exponent);
    const std::size_t begin = columns.flux.size();
    append_all(columns.flux, spectrum.flux);
    append_all(columns.inverse_variance, spectrum.inverse_variance);
    if (store_ == PixelStore::f32) return;
    const float largest = within_bfloat16(std::numeric_limits<float>::max());
    for (std::size_t i = begin; i < columns.flux.size(); ++i) {
        const float scaled = std::ldexp(columns.flux[i], -exponent);
        columns.flux[i] = std::clamp(scaled, -largest, largest);
        columns.inverse_variance[i] = within_bfloat16(columns.inverse_variance[i]);
    }
}

void ShardBuilder::write(const std::string& path) {
    write_shard(path, columns_, store_);
    clear();
}

void ShardBuilder::clear() {
    for_each_column(columns_, [](const char*, auto& column, Extent extent) {
        column.clear();
        if (extent == Extent::boundaries) column.push_back(0);
    });
}

void ShardBuilder::release() {
    columns_ = {};
    clear();
}

std::int64_t packed_bytes(const Spectrum& spectrum, PixelStore store) {
    // Fifteen columns of 8 bytes, two offsets, and small ones.
    constexpr std::int64_t others = 160;
    return spectrum.pixels() * bytes_per_pixel(store) + others +
           static_cast<std::int64_t>(spectrum.file.size() + spectrum.object_name.size());
}

}  // namespace balmer::data
