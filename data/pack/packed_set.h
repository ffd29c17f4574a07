#pragma once
// A packed set opened for reading: every spectrum of every shard by one row number, memory-mapped.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/pack/folder_lock.h"
#include "data/pack/manifest.h"
#include "data/pack/shard.h"
#include "data/spectrum.h"
#include "kernels/resample/resample.h"

namespace balmer::data {

struct OpenOptions {
    bool verify_checksums = false;  ///< read every byte of every shard once
};

/// Rows run from 0 to size() - 1 over all shards in order. Holds a shared lock on the folder, so
/// that nobody rewrites what is mapped. A shard that the manifest lists several times is mapped
/// once and its spectra are rows each time. One object serves many threads.
class PackedSet {
  public:
    /// IoError if the folder is no packed set, is being written or a shard cannot be read;
    /// FormatError if the manifest is of a later version (FAULTS 52), a shard differs from what the
    /// manifest says in size or (on demand) checksum (FAULTS 40, 43), columns disagree, or one
    /// object is in two splits (FAULTS 31).
    explicit PackedSet(const std::string& folder, const OpenOptions& options = {});

    const std::string& folder() const { return folder_; }
    const Manifest& manifest() const { return manifest_; }
    const std::vector<Shard>& shards() const { return shards_; }
    std::int64_t size() const { return first_row_.back(); }

    Split split(std::int64_t row) const;
    std::int64_t group(std::int64_t row) const;
    std::string_view file(std::int64_t row) const;
    /// Index into manifest().surveys, classes or subclasses; -1 if missing.
    std::int32_t survey_index(std::int64_t row) const;
    std::int32_t class_index(std::int64_t row) const;
    std::int32_t subclass_index(std::int64_t row) const;
    Labels labels(std::int64_t row) const;
    /// "z", "z_err", "teff", "logg" or "feh"; UsageError for another name.
    std::optional<double> label(std::int64_t row, std::string_view name) const;
    std::optional<double> signal_to_noise(std::int64_t row) const;
    bool inverse_variance_known(std::int64_t row) const;

    /// The pixels: where they are mapped, or (a set stored as f16 or bf16) converted into
    /// `scratch`. Valid as long as the set is and `scratch` is not used for another spectrum.
    kernels::SpectrumPixels pixels(std::int64_t row, PixelScratch& scratch) const;
    /// Where the pixels are (A), mapped: valid as long as the set is.
    std::span<const double> wavelength(std::int64_t row) const;
    /// 0 good, 1 bad; mapped likewise.
    std::span<const std::uint8_t> mask(std::int64_t row) const;
    /// Common-grid index of the first pixel; empty off the grid.
    std::optional<std::int64_t> grid_start(std::int64_t row) const;
    /// A copy of everything, as the reader produced it.
    Spectrum spectrum(std::int64_t row) const;
    /// The same without the pixel arrays.
    Spectrum description(std::int64_t row) const;

  private:
    struct Place {
        const ShardColumns<ConstSpan>& columns;
        const Shard& shard;
        std::size_t index;
    };
    Shard open_shard(const ShardEntry& entry, const OpenOptions& options) const;
    void check_names(const Shard& shard) const;
    void check_objects() const;
    Place place(std::int64_t row) const;

    std::string folder_;
    FolderLock lock_;
    Manifest manifest_;
    std::vector<Shard> shards_;
    std::vector<std::int64_t> first_row_ = {0};  ///< of each shard, and the size of the set
};

/// Reads everything and returns what is wrong with the set, one line each (at most 100); nothing if
/// it is sound: checksums, manifest against content, offsets, ranges of every pixel and label,
/// splits. Throws as the constructor does if the set cannot be opened at all.
std::vector<std::string> verify_packed_set(const std::string& folder);

}  // namespace balmer::data
