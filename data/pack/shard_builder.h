#pragma once
// The shard that is being filled, in memory.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/pack/pixel_store.h"
#include "data/pack/shard.h"
#include "data/spectrum.h"

namespace balmer::data {

/// Numbers names in the order in which they come; the empty name is -1.
class NameIndex {
  public:
    NameIndex() = default;
    /// Goes on after `names`.
    explicit NameIndex(const std::vector<std::string>& names);

    std::int32_t index_of(const std::string& name);
    const std::vector<std::string>& names() const { return names_; }

  private:
    std::vector<std::string> names_;
    std::unordered_map<std::string, std::int32_t> indices_;
};

/// What survey, class and subclass are numbered by, over all shards of a set.
struct ShardNames {
    NameIndex surveys;
    NameIndex classes;
    NameIndex subclasses;
};

/// Columns that grow by a spectrum at a time. The memory of one shard serves the next.
class ShardBuilder {
  public:
    explicit ShardBuilder(PixelStore store);

    /// Takes a valid spectrum. ShapeError if its arrays differ in length.
    void append(const Spectrum& spectrum, ShardNames& names);
    /// Spectra so far.
    std::int64_t size() const { return static_cast<std::int64_t>(columns_.row.size()); }
    /// Writes them as a shard, atomically, and begins the next.
    void write(const std::string& path);
    /// Gives the memory back.
    void release();

  private:
    void append_pixels(const Spectrum& spectrum);
    void clear();

    PixelStore store_;
    ShardColumns<Vector> columns_;
};

/// About how many bytes a spectrum takes in a shard.
std::int64_t packed_bytes(const Spectrum& spectrum, PixelStore store);

}  // namespace balmer::data
