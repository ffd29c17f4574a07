#pragma once
// How large a packed set will be, from a few of its files.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/pack/pixel_store.h"
#include "data/pack/worker_pool.h"

namespace balmer::data {

struct SizeEstimate {
    std::int64_t files = 0;          ///< in all
    std::int64_t sampled_files = 0;  ///< read for it
    std::uint64_t bytes = 0;         ///< of the whole set
    std::uint64_t kept_bytes = 0;    ///< of shards that are there already
    std::uint64_t free_bytes = 0;    ///< where the set goes

    bool fits() const { return bytes <= kept_bytes + free_bytes; }
};

/// Numbers of the files to read for an estimate: at most 24, evenly among `files`.
std::vector<std::int64_t> sample_of_files(std::int64_t files);

/// Bytes of the set from those of `sample`, some of `files` files; reads for at most three seconds,
/// so that the estimate is a lower one where files are huge. `is_packed` tells which spectra of
/// those that can be read are packed, `keep_going` as in FileSink.
SizeEstimate estimate_size(const std::vector<std::string>& sample, std::int64_t files,
                           const ReadFile& read, const WorkerOptions& options, PixelStore store,
                           const std::function<bool(Spectrum&)>& is_packed,
                           const std::function<bool()>& keep_going);

/// "12.3 GB"
std::string bytes_text(std::uint64_t bytes);

}  // namespace balmer::data
