#pragma once
// One shard of a packed set: a safetensors file whose tensors are the columns below, all of rank 1.
// The spectra's pixels stand one behind the other; spectrum i has pixels [offset[i], offset[i+1]).
// Texts are stored likewise, as bytes and offsets. A missing number is NaN in a f64 column and
// `missing_integer` in an i64 column; a missing name is -1.

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/pack/mapped_file.h"
#include "data/pack/pixel_store.h"
#include "kernels/core/dtype.h"

namespace balmer::data {

inline constexpr std::int64_t missing_integer = std::numeric_limits<std::int64_t>::min();

/// How many elements a column has.
enum class Extent : std::uint8_t {
    pixels,      ///< one a pixel
    spectra,     ///< one a spectrum
    some,        ///< one a spectrum, or the column is absent
    boundaries,  ///< one a spectrum and a last one
    bytes,       ///< the text itself
};

template <template <class> class Array>
struct ShardColumns {
    Array<double> wavelength;  ///< A, vacuum
    Array<float> flux;         ///< mapped: empty unless stored as f32, as the next
    Array<float> inverse_variance;
    Array<std::uint8_t> mask;  ///< 0 good, 1 bad
    Array<std::int64_t> offset;
    Array<std::int32_t> flux_exponent;  ///< flux is what is stored times 2^this; absent: 0
    Array<std::int64_t> grid_start;  ///< common-grid index of the first pixel; missing off the grid
    Array<std::int64_t> row;         ///< row inside the file
    Array<std::int64_t> object_id;   ///< the survey's own; 0 if none
    Array<std::int64_t> group;       ///< object, numbered over the whole set
    Array<std::uint8_t> split;       ///< 0 train, 1 validation, 2 test
    Array<std::int32_t> survey;      ///< index into the manifest's names, as the next two
    Array<std::int32_t> object_class;
    Array<std::int32_t> subclass;
    Array<double> z;
    Array<double> z_err;
    Array<std::int64_t> zwarn;
    Array<double> teff;
    Array<double> logg;
    Array<double> feh;
    Array<double> ra;
    Array<double> dec;
    Array<double> snr;         ///< median flux * sqrt(inverse variance) over good pixels
    Array<double> survey_snr;  ///< the survey's own
    Array<std::int64_t> flags;
    Array<std::int64_t> not_finite_flux;
    Array<std::int64_t> bad_inverse_variance;
    Array<std::uint8_t> inverse_variance_known;
    Array<std::uint8_t> file_bytes;
    Array<std::int64_t> file_offset;
    Array<std::uint8_t> object_name_bytes;
    Array<std::int64_t> object_name_offset;
};

/// Calls `visit(name, column, extent)` for every column.
template <class Columns, class Visit>
void for_each_column(Columns& columns, const Visit& visit) {
    visit("wavelength", columns.wavelength, Extent::pixels);
    visit("flux", columns.flux, Extent::pixels);
    visit("inverse_variance", columns.inverse_variance, Extent::pixels);
    visit("mask", columns.mask, Extent::pixels);
    visit("offset", columns.offset, Extent::boundaries);
    visit("flux_exponent", columns.flux_exponent, Extent::some);
    visit("grid_start", columns.grid_start, Extent::spectra);
    visit("row", columns.row, Extent::spectra);
    visit("object_id", columns.object_id, Extent::spectra);
    visit("group", columns.group, Extent::spectra);
    visit("split", columns.split, Extent::spectra);
    visit("survey", columns.survey, Extent::spectra);
    visit("object_class", columns.object_class, Extent::spectra);
    visit("subclass", columns.subclass, Extent::spectra);
    visit("z", columns.z, Extent::spectra);
    visit("z_err", columns.z_err, Extent::spectra);
    visit("zwarn", columns.zwarn, Extent::spectra);
    visit("teff", columns.teff, Extent::spectra);
    visit("logg", columns.logg, Extent::spectra);
    visit("feh", columns.feh, Extent::spectra);
    visit("ra", columns.ra, Extent::spectra);
    visit("dec", columns.dec, Extent::spectra);
    visit("snr", columns.snr, Extent::spectra);
    visit("survey_snr", columns.survey_snr, Extent::spectra);
    visit("flags", columns.flags, Extent::spectra);
    visit("not_finite_flux", columns.not_finite_flux, Extent::spectra);
    visit("bad_inverse_variance", columns.bad_inverse_variance, Extent::spectra);
    visit("inverse_variance_known", columns.inverse_variance_known, Extent::spectra);
    visit("file_bytes", columns.file_bytes, Extent::bytes);
    visit("file_offset", columns.file_offset, Extent::boundaries);
    visit("object_name_bytes", columns.object_name_bytes, Extent::bytes);
    visit("object_name_offset", columns.object_name_offset, Extent::boundaries);
}

template <class T>
using ConstSpan = std::span<const T>;
template <class T>
using Vector = std::vector<T>;

/// A shard mapped for reading.
class Shard {
  public:
    /// IoError if the file cannot be mapped; FormatError if it is no safetensors file, lacks a
    /// column, or has columns whose types, lengths or offsets do not agree.
    explicit Shard(const std::string& path);

    const std::string& path() const { return path_; }
    std::int64_t size() const { return static_cast<std::int64_t>(columns_.row.size()); }
    const ShardColumns<ConstSpan>& columns() const { return columns_; }
    std::int64_t pixels() const { return static_cast<std::int64_t>(columns_.wavelength.size()); }
    PixelStore store() const { return flux_.type; }
    /// Of spectrum `index` as f32: mapped, or converted into `scratch`.
    std::span<const float> flux(std::int64_t index, PixelScratch& scratch) const;
    std::span<const float> inverse_variance(std::int64_t index, PixelScratch& scratch) const;
    std::string_view file(std::int64_t index) const;
    std::string_view object_name(std::int64_t index) const;

    std::string_view bytes() const { return mapping_.bytes(); }
    /// XXH3-64 of the whole file as 16 hexadecimal digits.
    std::string checksum() const;

  private:
    void check_lengths() const;

    std::string path_;
    MappedFile mapping_;
    ShardColumns<ConstSpan> columns_;
    StoredPixels flux_;
    StoredPixels inverse_variance_;
};

/// Writes the columns as a shard, atomically. For another store than f32 the flux is scaled and the
/// inverse variance is within range already; here they are only rounded.
void write_shard(const std::string& path, const ShardColumns<Vector>& columns,
                 PixelStore store = PixelStore::f32);

/// Replaces the groups and splits of a shard in place: for a shard that nobody reads yet.
void rewrite_groups_and_splits(const std::string& path, std::span<const std::int64_t> group,
                               std::span<const std::uint8_t> split);

}  // namespace balmer::data
