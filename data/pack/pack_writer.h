#pragma once
// Writes a packed set spectrum by spectrum; the set appears at the end, whole.

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/pack/folder_lock.h"
#include "data/pack/manifest.h"
#include "data/pack/object_identity.h"
#include "data/pack/shard.h"
#include "data/spectrum.h"

namespace balmer::data {

struct PackWriterOptions {
    std::int64_t spectra_per_shard = 4096;
    SplitOptions split = {};
    PixelStore store = PixelStore::f32;  ///< of flux and inverse variance
    bool overwrite = false;              ///< replace the packed set that is in the folder
};

/// Numbers names in the order in which they come; the empty name is -1.
class NameIndex {
  public:
    std::int32_t index_of(const std::string& name);
    const std::vector<std::string>& names() const { return names_; }

  private:
    std::vector<std::string> names_;
    std::unordered_map<std::string, std::int32_t> indices_;
};

/// Shards are written to a folder `.packing` inside the set's folder as they fill up. finish()
/// groups the spectra into objects, assigns the splits, moves the shards to their places and writes
/// the manifest last. Without finish() nothing changes: what was there before stays, `.packing`
/// goes.
class PackWriter {
  public:
    /// Creates the folder if needed and locks it. IoError if it holds a packed set and `overwrite`
    /// is not set (FAULTS 53), is in use (FAULTS 43, 50) or not writable (FAULTS 47).
    PackWriter(const std::string& folder, const PackWriterOptions& options);
    ~PackWriter();
    PackWriter(const PackWriter&) = delete;
    PackWriter& operator=(const PackWriter&) = delete;

    /// Takes a valid spectrum. ShapeError if its arrays differ in length.
    void append(const Spectrum& spectrum);
    /// Takes note of a spectrum or file that is left out.
    void skip(std::string_view file, std::int64_t row, std::string_view reason,
              std::string_view detail);

    std::int64_t count() const { return static_cast<std::int64_t>(keys_.size()); }
    const std::map<std::string, std::int64_t>& skipped() const { return skipped_; }

    /// Makes the set and returns its manifest. `paths` and `options` are its provenance.
    Manifest finish(const std::vector<std::string>& paths,
                    const std::map<std::string, std::string>& options);

  private:
    std::string shard_path(std::size_t index) const;
    void append_pixels(const Spectrum& spectrum);
    void write_current_shard();
    void publish(const Manifest& manifest);

    std::string folder_;
    std::string packing_;
    PackWriterOptions options_;
    bool made_folder_ = false;
    bool is_finished_ = false;
    FolderLock lock_;
    ShardColumns<Vector> current_;
    std::vector<std::int64_t> shard_sizes_;
    std::vector<ObjectKey> keys_;
    NameIndex surveys_;
    NameIndex classes_;
    NameIndex subclasses_;
    std::map<std::string, std::int64_t> skipped_;
    std::string skipped_table_;
};

/// A field of a CSV file, quoted where it has to be (RFC 4180).
std::string csv_field(std::string_view text);

}  // namespace balmer::data
