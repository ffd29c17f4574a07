#pragma once
// Which files a list of paths means: files as they are, folders searched for spectra.

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

}  // namespace balmer::data
