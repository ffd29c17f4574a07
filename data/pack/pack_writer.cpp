#include "data/pack/pack_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "kernels/core/error.h"
#include "kernels/resample/resample.h"
#include "weights/atomic_file.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

std::string shard_name(std::size_t index) {
    return fmt::format("shard-{:05}.safetensors", index);
}

bool is_shard_name(const std::string& name) {
    return name.starts_with("shard-") && name.ends_with(".safetensors");
}

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

ShardColumns<Vector> empty_shard() {
    ShardColumns<Vector> columns;
    columns.offset = columns.file_offset = columns.object_name_offset = {0};
    return columns;
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

std::int32_t NameIndex::index_of(const std::string& name) {
    if (name.empty()) return -1;
    const auto [entry, inserted] =
        indices_.try_emplace(name, static_cast<std::int32_t>(names_.size()));
    if (inserted) names_.push_back(name);
    return entry->second;
}

PackWriter::PackWriter(const std::string& folder, const PackWriterOptions& options)
    : folder_(folder), packing_(folder + "/.packing"), options_(options), current_(empty_shard()) {
    if (options.spectra_per_shard < 1) {
        throw UsageError(fmt::format("{} spectra a shard", options.spectra_per_shard));
    }
    std::error_code error;
    made_folder_ = fs::create_directories(folder, error);
    if (error) throw IoError(folder, error.message());
    lock_ = FolderLock(folder, LockMode::exclusive);
    if (!options.overwrite && fs::exists(folder + "/" + manifest_name)) {
        throw IoError(folder, "holds a packed set already; --overwrite replaces it");
    }
    weights::expect_writable_folder(folder);
    weights::remove_stale_temporaries(folder);
    fs::remove_all(packing_, error);  // left by a packer that was killed
    if (!error) fs::create_directory(packing_, error);
    if (error) throw IoError(packing_, error.message());
}

PackWriter::~PackWriter() {
    std::error_code error;
    fs::remove_all(packing_, error);
    if (made_folder_ && !is_finished_) {
        fs::remove(folder_ + "/.lock", error);
        fs::remove(folder_, error);
    }
}

std::string PackWriter::shard_path(std::size_t index) const {
    return packing_ + "/" + shard_name(index);
}

void PackWriter::append(const Spectrum& spectrum) {
    expect_equal_lengths(spectrum);
    auto& columns = current_;
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
    columns.survey.push_back(surveys_.index_of(spectrum.survey));
    columns.object_class.push_back(classes_.index_of(labels.object_class));
    columns.subclass.push_back(subclasses_.index_of(labels.subclass));
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
    keys_.push_back({spectrum.ra, spectrum.dec, spectrum.object_name, spectrum.file});
    if (static_cast<std::int64_t>(columns.row.size()) == options_.spectra_per_shard) {
        write_current_shard();
    }
}

/// Flux and inverse variance such that the store holds them.
void PackWriter::append_pixels(const Spectrum& spectrum) {
    auto& columns = current_;
    const std::int32_t exponent =
        options_.store == PixelStore::f16 ? flux_exponent(spectrum.flux) : 0;
    if (options_.store == PixelStore::f16) columns.flux_exponent.push_back(exponent);
    const std::size_t begin = columns.flux.size();
    append_all(columns.flux, spectrum.flux);
    append_all(columns.inverse_variance, spectrum.inverse_variance);
    if (options_.store == PixelStore::f32) return;
    const float largest = within_bfloat16(std::numeric_limits<float>::max());
    for (std::size_t i = begin; i < columns.flux.size(); ++i) {
        const float scaled = std::ldexp(columns.flux[i], -exponent);
        columns.flux[i] = std::clamp(scaled, -largest, largest);
        columns.inverse_variance[i] = within_bfloat16(columns.inverse_variance[i]);
    }
}

void PackWriter::skip(std::string_view file, std::int64_t row, std::string_view reason,
                      std::string_view detail) {
    ++skipped_[std::string(reason)];
    skipped_table_ +=
        fmt::format("{},{},{},{}\n", csv_field(file), row, csv_field(reason), csv_field(detail));
}

void PackWriter::write_current_shard() {
    write_shard(shard_path(shard_sizes_.size()), current_, options_.store);
    shard_sizes_.push_back(static_cast<std::int64_t>(current_.row.size()));
    current_ = empty_shard();
}

/// Moves the new shards to their places. From the removal of the old manifest to the writing of the
/// new one the folder is no packed set, rather than one that disagrees with its manifest.
void PackWriter::publish(const Manifest& manifest) {
    std::vector<fs::path> old = {fs::path(folder_) / manifest_name};
    for (const auto& entry : fs::directory_iterator(folder_)) {
        if (is_shard_name(entry.path().filename())) old.push_back(entry.path());
    }
    for (const auto& path : old) fs::remove(path);
    for (const auto& shard : manifest.shards) {
        fs::rename(packing_ + "/" + shard.file, folder_ + "/" + shard.file);
    }
    weights::write_file_atomically(folder_ + "/" + skipped_name,
                                   "file,row,reason,detail\n" + skipped_table_);
    write_manifest(folder_, manifest);
}

Manifest PackWriter::finish(const std::vector<std::string>& paths,
                            const std::map<std::string, std::string>& options) {
    if (keys_.empty()) throw Error(folder_ + ": no spectrum to pack");
    if (!current_.row.empty()) write_current_shard();
    const ObjectGroups groups = group_objects(keys_);
    const auto splits = split_by_object(groups, options_.split);
    check_one_object_one_split(folder_, groups.group, splits);

    Manifest manifest;
    manifest.balmer_version = BALMER_VERSION;
    manifest.count = count();
    manifest.objects = static_cast<std::int64_t>(groups.identity.size());
    manifest.surveys = surveys_.names();
    manifest.classes = classes_.names();
    manifest.subclasses = subclasses_.names();
    manifest.split = options_.split;
    manifest.skipped = skipped_;
    manifest.paths = paths;
    manifest.options = options;
    SummaryCollector summary;
    std::size_t first = 0;
    for (std::size_t i = 0; i < shard_sizes_.size(); ++i) {
        const auto size = static_cast<std::size_t>(shard_sizes_[i]);
        rewrite_groups_and_splits(shard_path(i), std::span(groups.group).subspan(first, size),
                                  std::span(splits).subspan(first, size));
        const Shard shard(shard_path(i));
        summary.add(shard, manifest.surveys, manifest.classes);
        manifest.shards.push_back(
            {shard_name(i), shard.size(), shard.pixels(), shard.bytes().size(), shard.checksum()});
        first += size;
    }
    manifest.summary = summary.result();
    try {
        publish(manifest);
    } catch (const fs::filesystem_error& error) {
        throw IoError(folder_, error.code().message());
    }
    is_finished_ = true;
    return manifest;
}

std::string csv_field(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

}  // namespace balmer::data
