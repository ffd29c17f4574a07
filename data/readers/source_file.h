#pragma once
// A file from a user, opened once for whatever its bytes say it is; the readers are asked about it.

#include <cstdint>
#include <memory>
#include <string>

#include "data/fits/fits_file.h"

namespace balmer::data {

class SourceFile {
  public:
    /// Opens the file literally and checks its structure. Throws SpectrumError as open_fits_gate
    /// does.
    SourceFile(const std::string& path, const GateOptions& options);
    /// A FITS file that is open already.
    explicit SourceFile(FitsFile file);

    const std::string& path() const { return path_; }
    /// The file if it is FITS, else nullptr.
    const FitsFile* fits() const { return fits_.get(); }
    /// What the file holds, in a line for error messages.
    std::string description() const;

  private:
    std::string path_;
    std::unique_ptr<FitsFile> fits_;
};

}  // namespace balmer::data
