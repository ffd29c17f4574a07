#pragma once
// A file from a user, opened once for whatever its bytes say it is; the readers are asked about it.

#include <cstdint>
#include <memory>
#include <string>

#include "data/fits/fits_file.h"
#include "data/readers/hdf5_file.h"
#include "data/readers/text_table.h"

namespace balmer::data {

class SourceFile {
  public:
    /// Opens the file literally and checks its structure: HDF5 by its signature, text that may be a
    /// spectrum (may_begin_text_spectrum), else FITS. Throws SpectrumError as open_fits_gate,
    /// parse_text_table and Hdf5File do.
    SourceFile(const std::string& path, const GateOptions& options);
    /// A FITS file that is open already.
    explicit SourceFile(FitsFile file);

    const std::string& path() const { return path_; }
    /// The file if it is FITS, else nullptr.
    const FitsFile* fits() const { return fits_.get(); }
    /// The table if it is text, else nullptr.
    const TextTable* text() const { return text_.get(); }
    /// The file if it is HDF5, else nullptr.
    const Hdf5File* hdf5() const { return hdf5_.get(); }
    /// What the file holds, in a line for error messages.
    std::string description() const;

  private:
    std::string path_;
    std::unique_ptr<FitsFile> fits_;
    std::unique_ptr<TextTable> text_;
    std::unique_ptr<Hdf5File> hdf5_;
};

}  // namespace balmer::data
