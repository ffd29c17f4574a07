#pragma once
// From FITS files to a packed set.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/pack/pack_writer.h"
#include "data/pack/worker_pool.h"
#include "data/readers/reader.h"

namespace balmer::data {

/// Why a spectrum that could be read is not packed: a row of skipped.csv.
struct LeftOut {
    std::string reason;  ///< one word in capitals, as the names of Status
    std::string detail;
};

/// Looks at every spectrum before it is packed, in the packing process and in the order of the
/// set: may fill in labels, may leave it out.
using Selection = std::function<std::optional<LeftOut>(Spectrum& spectrum)>;

struct PackOptions {
    ReadOptions read = {};
    PackWriterOptions write = {};
    WorkerOptions workers = {};
    Selection select = {};
    /// How a file is read; empty: read_spectra() with `read`.
    ReadFile read_file = {};
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

/// The packing was stopped by its progress function; nothing was changed.
class PackStopped : public Error {
  public:
    using Error::Error;
};

/// Reads every spectrum of `paths` (see find_spectrum_files) into a packed set in `folder`. A file
/// or spectrum that cannot be used is listed in skipped.csv with its reason and the rest goes on.
/// Files are read by processes of their own (see worker_pool.h); the set does not depend on their
/// number.
///
/// Error if no file is found or none gives a spectrum; PackStopped; else as PackWriter throws.
Manifest pack_spectra(const std::vector<std::string>& paths, const std::string& folder,
                      const PackOptions& options, const PackProgress& progress = {});

}  // namespace balmer::data
