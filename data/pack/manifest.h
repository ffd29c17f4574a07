#pragma once
// manifest.json of a packed set: what the set holds, where it came from, and how to check it.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/pack/split.h"
#include "data/pack/summary.h"

namespace balmer::data {

/// The version of packed sets that this library writes; it reads no later one (FAULTS 52).
inline constexpr std::int64_t packed_set_version = 1;
inline constexpr const char* manifest_name = "manifest.json";
inline constexpr const char* skipped_name = "skipped.csv";

struct ShardEntry {
    std::string file;  ///< name inside the folder
    std::int64_t spectra = 0;
    std::int64_t pixels = 0;
    std::uint64_t bytes = 0;
    std::string checksum;  ///< XXH3-64 of the file, hexadecimal
    bool operator==(const ShardEntry&) const = default;
};

struct Manifest {
    std::string balmer_version;
    std::vector<ShardEntry> shards;
    std::int64_t count = 0;    ///< spectra
    std::int64_t objects = 0;  ///< groups
    std::vector<std::string> surveys;
    std::vector<std::string> classes;
    std::vector<std::string> subclasses;
    SetSummary summary;
    SplitOptions split;
    std::map<std::string, std::int64_t> skipped;  ///< spectra or files left out, by reason
    std::vector<std::string> paths;               ///< as given to the packer
    std::map<std::string, std::string> options;   ///< of the packer

    std::int64_t skipped_count() const;
};

/// Writes `folder`/manifest.json atomically.
void write_manifest(const std::string& folder, const Manifest& manifest);

/// FormatError if it is no manifest of a packed set or of a later version; IoError, saying that the
/// folder is no packed set, if there is none.
Manifest read_manifest(const std::string& folder);

}  // namespace balmer::data
