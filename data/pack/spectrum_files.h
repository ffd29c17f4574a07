#pragma once
// Which files a list of paths means: files as they are, folders searched for spectra.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace balmer::data {

/// A path that cannot be read as a spectrum file, with the reason.
struct RefusedPath {
    std::string path;
    std::string reason;
};

struct SpectrumFiles {
    std::vector<std::string> files;    ///< each file once, in order; spelled as the user's path
    std::vector<RefusedPath> refused;  ///< links that leave their root, folders without permission
};

/// True for *.fits, *.fit, *.fts and the same with .gz or .fz, in any case.
bool is_named_like_fits(const std::string& path);

/// Expands `paths`: folders recursively, in sorted order, for files named like FITS or
/// HDF5 and for *.csv, *.tsv, *.txt, *.dat (and .gz) that begin like a spectrum; anything else
/// stands for itself, whether it exists or not. A symbolic link is followed only where its target
/// lies inside the folder that was given (FAULTS 32). A file reached twice is listed once.
SpectrumFiles find_spectrum_files(const std::vector<std::string>& paths);

/// The same, one by one. Takes the names in the folders on the way and some 30 bytes a file.
void find_spectrum_files(const std::vector<std::string>& paths,
                         const std::function<void(const std::string& file)>& found,
                         const std::function<void(const RefusedPath& refused)>& refused);

/// Paths of input files, in a file of their own: millions of them need no memory.
class FileList {
  public:
    /// An empty list, kept in the file `path`. IoError if it cannot be written.
    explicit FileList(const std::string& path);
    ~FileList();
    FileList(const FileList&) = delete;
    FileList& operator=(const FileList&) = delete;

    void append(const std::string& file);
    std::int64_t size() const;
    /// XXH3-128 of all paths in order, hexadecimal.
    std::string checksum() const;

    /// Goes to file `index`; next() begins there.
    void seek(std::int64_t index);
    /// The next file; empty after the last. IoError if it cannot be read.
    std::optional<std::string> next();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace balmer::data
