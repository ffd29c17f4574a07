#pragma once
// From FITS files to a packed set.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/pack/pack_writer.h"
#include "data/pack/size_estimate.h"
#include "data/pack/spectrum_files.h"
#include "data/pack/worker_pool.h"
#include "data/readers/reader.h"

namespace balmer::data {

/// Why a spectrum that could be read is not packed: a row of skipped.csv.
struct LeftOut {
    std::string reason;  ///< one word in capitals, as the names of Status
    std::string detail;
};

/// Looks at every spectrum before it is packed, in the packing process and in the order of the
/// set: may fill in labels, may leave it out. What it does must depend on the spectrum alone: it
/// sees some spectra once more for the size estimate, and not again what a packing that goes on
/// has dealt with before.
using Selection = std::function<std::optional<LeftOut>(Spectrum& spectrum)>;

/// Tells the files to pack one by one, and what is refused with its reason.
using ListFiles = std::function<void(const std::function<void(const std::string& file)>& found,
                                     const std::function<void(const RefusedPath&)>& refused)>;

struct PackOptions {
    ReadOptions read = {};
    PackWriterOptions write = {};
    WorkerOptions workers = {};
    Selection select = {};
    /// Of `select`, for the manifest; a packing goes on only with the same.
    std::map<std::string, std::string> select_options = {};
    /// Where the files come from; empty: find_spectrum_files() of the paths.
    ListFiles list_files = {};
    /// How a file is read; empty: read_spectra() with `read`.
    ReadFile read_file = {};
    /// Told the size of the set before the packing begins.
    std::function<void(const SizeEstimate& estimate)> estimated = {};
    bool ignore_free_space = false;  ///< begin even if the set will not fit
    std::string command;             ///< the command line, for the manifest
};

/// How far the packing is.
struct PackStatus {
    std::int64_t files = 0;                              ///< done
    std::int64_t total_files = 0;                        ///< to do in all
    std::int64_t spectra = 0;                            ///< packed
    const std::map<std::string, std::int64_t>& skipped;  ///< spectra or files, by reason
};

/// Called several times a second. Returns false to stop.
using PackProgress = std::function<bool(const PackStatus& status)>;

/// The packing was stopped by its progress function. What was there before stays; what() says
/// whether it can go on.
class PackStopped : public Error {
  public:
    using Error::Error;
};

/// Reads every spectrum of `paths` (see find_spectrum_files) into a packed set in `folder`. A file
/// or spectrum that cannot be used is listed in skipped.csv with its reason and the rest goes on.
/// Files are read by processes of their own (see worker_pool.h); the set does not depend on their
/// number, nor on how often the packing was stopped and went on (options.write.resume).
///
/// In memory are a shard, what waits for its turn (WorkerOptions), 30 bytes a file while the files
/// are looked for and 70 bytes a spectrum at the end.
///
/// Error if no file is found or none gives a spectrum; IoError if the set will not fit or the disk
/// is full (FAULTS 46); PackStopped; else as PackWriter throws.
Manifest pack_spectra(const std::vector<std::string>& paths, const std::string& folder,
                      const PackOptions& options, const PackProgress& progress = {});

}  // namespace balmer::data
