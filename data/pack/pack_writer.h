#pragma once
// Writes a packed set spectrum by spectrum; the set appears at the end, whole.

#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/pack/folder_lock.h"
#include "data/pack/manifest.h"
#include "data/pack/pack_journal.h"
#include "data/pack/shard_builder.h"
#include "data/pack/split.h"
#include "data/spectrum.h"

namespace balmer::data {

struct PackWriterOptions {
    std::int64_t spectra_per_shard = 4096;
    SplitOptions split = {};
    PixelStore store = PixelStore::f32;  ///< of flux and inverse variance
    bool overwrite = false;              ///< replace the packed set that is in the folder
    bool resume = false;                 ///< go on with a packing that was stopped
};

/// Shards are written to a folder `.packing` inside the set's folder as they fill up, with a
/// journal of how far the input is packed. finish() groups the spectra into objects, assigns the
/// splits, moves the shards to their places and writes the manifest last. Without finish() what was
/// there before stays; `.packing` stays too if it holds a whole shard, and a writer with `resume`
/// goes on after the last one: whatever ended the first, it gives the same set.
///
/// In memory are one shard and, in finish() alone, about 70 bytes a spectrum.
class PackWriter {
  public:
    /// Creates the folder if needed and locks it. IoError if it holds a packed set and `overwrite`
    /// is not set (FAULTS 53), is in use (FAULTS 43, 50) or not writable (FAULTS 47). Without
    /// `resume`, what an earlier packing left is deleted.
    PackWriter(const std::string& folder, const PackWriterOptions& options);
    ~PackWriter();
    PackWriter(const PackWriter&) = delete;
    PackWriter& operator=(const PackWriter&) = delete;

    /// The folder of what is not in its place yet; may hold files of the caller, which go with it.
    const std::string& packing_folder() const { return packing_; }

    /// Says what is packed, before anything is. With `resume`: position(), count() and skipped()
    /// are those of the last whole shard then; UsageError if the packing that was stopped had other
    /// options or inputs, FormatError if its shards are damaged.
    void begin(const PackRun& run);
    /// After begin() with `resume`: the manifest, if the set is there already, made by this run.
    const std::optional<Manifest>& finished() const { return finished_; }

    /// Takes a valid spectrum. ShapeError if its arrays differ in length.
    void append(const Spectrum& spectrum);
    /// Takes note of a spectrum or file that is left out.
    void skip(std::string_view file, std::int64_t row, std::string_view reason,
              std::string_view detail);
    /// What comes from here on is of the next input file.
    void next_file();

    std::int64_t count() const { return count_; }
    const std::map<std::string, std::int64_t>& skipped() const { return journal_.skipped; }
    const InputPosition& position() const { return position_; }
    /// Spectra of whole shards, with which another writer could go on.
    std::int64_t kept() const;
    std::uint64_t kept_bytes() const;

    /// Makes the set and returns its manifest. All arguments are its provenance.
    Manifest finish(const std::vector<std::string>& paths,
                    const std::map<std::string, std::string>& options,
                    const std::map<std::string, std::string>& versions = {},
                    const Invocation& invocation = {});

  private:
    void start();
    void recover();
    bool is_finished_run() const;
    void recover_file(const std::string& name) const;
    void remove_leftovers() const;
    std::string shard_path(std::size_t index) const;
    void write_current_shard();
    void write_skipped_table();
    ObjectGroups group_all() const;
    void set_objects(Manifest& manifest) const;
    void publish(const Manifest& manifest);

    std::string folder_;
    std::string packing_;
    PackWriterOptions options_;
    bool made_folder_ = false;
    bool has_begun_ = false;
    bool is_published_ = false;
    FolderLock lock_;
    PackJournal journal_;
    InputPosition position_;
    std::int64_t count_ = 0;
    ShardBuilder current_;
    ShardNames names_;
    std::string skipped_table_;  ///< what is not in its file yet
    std::optional<Manifest> finished_;
};

/// A field of a CSV file, quoted where it has to be (RFC 4180).
std::string csv_field(std::string_view text);

}  // namespace balmer::data
