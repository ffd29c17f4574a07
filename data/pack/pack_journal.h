#pragma once
// What a packing has done so far, written after every shard: a packing that was killed goes on from
// there. It lies in the folder `.packing` beside the shards that are not in their places yet.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/pack/manifest.h"

namespace balmer::data {

/// What has to be the same for a packing to go on.
struct PackRun {
    std::map<std::string, std::string> options;
    std::int64_t files = 0;      ///< inputs
    std::string files_checksum;  ///< of their paths, in order
};

/// The options of a run from those of the packing and the versions of the libraries that read.
std::map<std::string, std::string> run_options(std::map<std::string, std::string> options,
                                               const std::map<std::string, std::string>& versions);

/// Where a packing is in its inputs.
struct InputPosition {
    std::int64_t files = 0;  ///< dealt with wholly
    std::int64_t items = 0;  ///< spectra and skipped rows dealt with of the file after those
};

struct PackJournal {
    PackRun run;
    /// The old set, if any, is gone and the new one is being moved to its place.
    bool is_publishing = false;
    /// Without groups and splits: their checksums are those of shards whose groups and splits are
    /// 0.
    std::vector<ShardEntry> shards;
    InputPosition position;
    std::vector<std::string> surveys;
    std::vector<std::string> classes;
    std::vector<std::string> subclasses;
    std::map<std::string, std::int64_t> skipped;  ///< by reason
    std::int64_t skipped_bytes = 0;               ///< length of the table of what was skipped
};

/// Writes `folder`/journal.json atomically.
void write_journal(const std::string& folder, const PackJournal& journal);

/// Empty if there is none; FormatError if it is none or of a later version.
std::optional<PackJournal> read_journal(const std::string& folder);

/// UsageError that names the difference unless both runs are the same (as FAULTS 51).
void expect_same_run(const std::string& folder, const PackRun& before, const PackRun& now);

}  // namespace balmer::data
