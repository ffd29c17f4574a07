#include "data/pack/packed_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/core/error.h"

namespace balmer::data {
namespace {

std::optional<double> number(double value) {
    if (std::isnan(value)) return std::nullopt;
    return value;
}

std::optional<std::int64_t> number(std::int64_t value) {
    if (value == missing_integer) return std::nullopt;
    return value;
}

std::string name_at(const std::vector<std::string>& names, std::int32_t index) {
    return index < 0 ? "" : names[static_cast<std::size_t>(index)];
}

}  // namespace

PackedSet::PackedSet(const std::string& folder, const OpenOptions& options)
    : folder_(folder), manifest_(read_manifest(folder)) {
    lock_ = FolderLock(folder, LockMode::shared);
    manifest_ = read_manifest(folder);          // a writer may have finished in between
    std::map<std::string, std::size_t> opened;  // a shard listed again is not mapped again
    for (std::size_t i = 0; i < manifest_.shards.size(); ++i) {
        const ShardEntry& entry = manifest_.shards[i];
        const auto [first, is_new] = opened.try_emplace(entry.file, i);
        if (!is_new && !(entry == manifest_.shards[first->second])) {
            throw FormatError(folder + "/" + manifest_name,
                              fmt::format("lists shard '{}' twice, differently", entry.file));
        }
        shards_.push_back(is_new ? open_shard(entry, options) : shards_[first->second]);
        first_row_.push_back(first_row_.back() + shards_.back().size());
    }
    if (size() != manifest_.count) {
        throw FormatError(
            folder + "/" + manifest_name,
            fmt::format("says {} spectra, its shards have {}", manifest_.count, size()));
    }
    check_objects();
}

Shard PackedSet::open_shard(const ShardEntry& entry, const OpenOptions& options) const {
    if (entry.file.empty() || entry.file.find('/') != std::string::npos || entry.file == "..") {
        throw FormatError(folder_ + "/" + manifest_name,
                          fmt::format("shard '{}' is outside of the folder", entry.file));
    }
    Shard shard(folder_ + "/" + entry.file);
    if (shard.bytes().size() != entry.bytes || shard.size() != entry.spectra) {
        throw FormatError(
            shard.path(),
            fmt::format("has {} bytes and {} spectra, the manifest says {} and {}",
                        shard.bytes().size(), shard.size(), entry.bytes, entry.spectra));
    }
    if (options.verify_checksums && shard.checksum() != entry.checksum) {
        throw FormatError(shard.path(), fmt::format("checksum is {}, the manifest says {}",
                                                    shard.checksum(), entry.checksum));
    }
    check_names(shard);
    return shard;
}

void PackedSet::check_names(const Shard& shard) const {
    const auto check = [&](const char* column, std::span<const std::int32_t> indices,
                           std::size_t names) {
        for (const std::int32_t index : indices) {
            if (index < -1 || index >= static_cast<std::int64_t>(names)) {
                throw FormatError(shard.path(),
                                  fmt::format("column '{}' has index {}, the manifest has {} names",
                                              column, index, names));
            }
        }
    };
    check("survey", shard.columns().survey, manifest_.surveys.size());
    check("object_class", shard.columns().object_class, manifest_.classes.size());
    check("subclass", shard.columns().subclass, manifest_.subclasses.size());
}

void PackedSet::check_objects() const {
    ObjectSplitCheck check(size());
    for (const auto& shard : shards_) {
        check.add(shard.path(), shard.columns().group, shard.columns().split);
    }
}

PackedSet::Place PackedSet::place(std::int64_t row) const {
    if (row < 0 || row >= size()) {
        throw UsageError(fmt::format("row {} of a packed set of {} spectra", row, size()));
    }
    const auto next = std::upper_bound(first_row_.begin(), first_row_.end(), row);
    const auto shard = static_cast<std::size_t>(next - first_row_.begin()) - 1;
    return {shards_[shard].columns(), shards_[shard],
            static_cast<std::size_t>(row - first_row_[shard])};
}

Split PackedSet::split(std::int64_t row) const {
    const Place at = place(row);
    return static_cast<Split>(at.columns.split[at.index]);
}

std::int64_t PackedSet::group(std::int64_t row) const {
    const Place at = place(row);
    return at.columns.group[at.index];
}

std::string_view PackedSet::file(std::int64_t row) const {
    const Place at = place(row);
    return at.shard.file(static_cast<std::int64_t>(at.index));
}

std::int32_t PackedSet::survey_index(std::int64_t row) const {
    const Place at = place(row);
    return at.columns.survey[at.index];
}

std::int32_t PackedSet::class_index(std::int64_t row) const {
    const Place at = place(row);
    return at.columns.object_class[at.index];
}

std::int32_t PackedSet::subclass_index(std::int64_t row) const {
    const Place at = place(row);
    return at.columns.subclass[at.index];
}

Labels PackedSet::labels(std::int64_t row) const {
    const Place at = place(row);
    const auto& columns = at.columns;
    return {.object_class = name_at(manifest_.classes, columns.object_class[at.index]),
            .subclass = name_at(manifest_.subclasses, columns.subclass[at.index]),
            .z = number(columns.z[at.index]),
            .z_err = number(columns.z_err[at.index]),
            .zwarn = number(columns.zwarn[at.index]),
            .teff = number(columns.teff[at.index]),
            .logg = number(columns.logg[at.index]),
            .feh = number(columns.feh[at.index])};
}

std::optional<double> PackedSet::label(std::int64_t row, std::string_view name) const {
    const Place at = place(row);
    if (name == "z") return number(at.columns.z[at.index]);
    if (name == "z_err") return number(at.columns.z_err[at.index]);
    if (name == "teff") return number(at.columns.teff[at.index]);
    if (name == "logg") return number(at.columns.logg[at.index]);
    if (name == "feh") return number(at.columns.feh[at.index]);
    throw UsageError(fmt::format("label '{}' is none of z, z_err, teff, logg, feh", name));
}

std::optional<double> PackedSet::signal_to_noise(std::int64_t row) const {
    const Place at = place(row);
    return number(at.columns.snr[at.index]);
}

bool PackedSet::inverse_variance_known(std::int64_t row) const {
    const Place at = place(row);
    return at.columns.inverse_variance_known[at.index] != 0;
}

std::span<const double> PackedSet::wavelength(std::int64_t row) const {
    const Place at = place(row);
    const auto begin = static_cast<std::size_t>(at.columns.offset[at.index]);
    return at.columns.wavelength.subspan(
        begin, static_cast<std::size_t>(at.columns.offset[at.index + 1]) - begin);
}

std::span<const std::uint8_t> PackedSet::mask(std::int64_t row) const {
    const Place at = place(row);
    const auto begin = static_cast<std::size_t>(at.columns.offset[at.index]);
    return at.columns.mask.subspan(
        begin, static_cast<std::size_t>(at.columns.offset[at.index + 1]) - begin);
}

std::optional<std::int64_t> PackedSet::grid_start(std::int64_t row) const {
    const Place at = place(row);
    return number(at.columns.grid_start[at.index]);
}

kernels::SpectrumPixels PackedSet::pixels(std::int64_t row, PixelScratch& scratch) const {
    const Place at = place(row);
    const auto index = static_cast<std::int64_t>(at.index);
    const auto begin = static_cast<std::size_t>(at.columns.offset[at.index]);
    const auto count = static_cast<std::size_t>(at.columns.offset[at.index + 1]) - begin;
    return {at.columns.wavelength.subspan(begin, count), at.shard.flux(index, scratch),
            at.shard.inverse_variance(index, scratch), at.columns.mask.subspan(begin, count),
            number(at.columns.grid_start[at.index])};
}

Spectrum PackedSet::description(std::int64_t row) const {
    const Place at = place(row);
    const auto& columns = at.columns;
    const std::size_t i = at.index;
    Spectrum spectrum;
    spectrum.file = at.shard.file(static_cast<std::int64_t>(i));
    spectrum.row = columns.row[i];
    spectrum.survey = name_at(manifest_.surveys, columns.survey[i]);
    spectrum.object_id = columns.object_id[i];
    spectrum.object_name = at.shard.object_name(static_cast<std::int64_t>(i));
    spectrum.ra = number(columns.ra[i]);
    spectrum.dec = number(columns.dec[i]);
    spectrum.survey_snr = number(columns.survey_snr[i]);
    spectrum.labels = labels(row);
    spectrum.inverse_variance_known = columns.inverse_variance_known[i] != 0;
    spectrum.flags = static_cast<std::uint32_t>(columns.flags[i]);
    spectrum.not_finite_flux = columns.not_finite_flux[i];
    spectrum.bad_inverse_variance = columns.bad_inverse_variance[i];
    return spectrum;
}

Spectrum PackedSet::spectrum(std::int64_t row) const {
    Spectrum spectrum = description(row);
    PixelScratch scratch;
    const auto pixels = this->pixels(row, scratch);
    spectrum.wavelength.assign(pixels.wavelength.begin(), pixels.wavelength.end());
    spectrum.flux.assign(pixels.flux.begin(), pixels.flux.end());
    spectrum.inverse_variance.assign(pixels.inverse_variance.begin(),
                                     pixels.inverse_variance.end());
    spectrum.mask.assign(pixels.mask.begin(), pixels.mask.end());
    return spectrum;
}

}  // namespace balmer::data
