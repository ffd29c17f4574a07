#pragma once
// From FITS files to a packed set.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/pack/pack_writer.h"
#include "data/readers/reader.h"

namespace balmer::data {

struct PackOptions {
    ReadOptions read = {};
    PackWriterOptions write = {};
};

/// Files done of all, and spectra or files skipped so far. Returns false to stop.
using PackProgress =
    std::function<bool(std::int64_t done, std::int64_t total, std::int64_t skipped)>;

/// The packing was stopped by its progress function; nothing was changed.
class PackStopped : public Error {
  public:
    using Error::Error;
};

/// Reads every spectrum of `paths` (see find_spectrum_files) into a packed set in `folder`. A file
/// or spectrum that cannot be used is listed in skipped.csv with its reason and the rest goes on.
///
/// Error if no file is found or none gives a spectrum; PackStopped; else as PackWriter throws.
Manifest pack_spectra(const std::vector<std::string>& paths, const std::string& folder,
                      const PackOptions& options, const PackProgress& progress = {});

}  // namespace balmer::data
