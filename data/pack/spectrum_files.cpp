#include "data/pack/spectrum_files.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "data/fits/file_bytes.h"
#include "data/readers/text_table.h"
#include "data/spectrum.h"

namespace balmer::data {
namespace {

namespace fs = std::filesystem;

std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text;
}

bool is_inside(const fs::path& path, const fs::path& root) {
    return std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first == root.end();
}

bool is_named_like_hdf5(const std::string& path) {
    const std::string name = lower_case(path);
    return name.ends_with(".hdf5") || name.ends_with(".h5");
}

/// Named like text and beginning like a spectrum: tables and notes of other kinds lie beside
/// spectra.
bool is_text_spectrum(const std::string& path) {
    std::string name = lower_case(path);
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    if (!name.ends_with(".csv") && !name.ends_with(".tsv") && !name.ends_with(".txt") &&
        !name.ends_with(".dat")) {
        return false;
    }
    try {
        return begins_text_spectrum(read_file_start(path, text_spectrum_start));
    } catch (const SpectrumError&) {
        return false;
    }
}

bool may_hold_spectra(const std::string& path) {
    return is_named_like_fits(path) || is_named_like_hdf5(path) || is_text_spectrum(path);
}

class Search {
  public:
    explicit Search(SpectrumFiles& found) : found_(found) {}

    void add_file(const fs::path& path) {
        std::error_code error;
        const fs::path canonical = fs::weakly_canonical(path, error);
        if (seen_.insert(error ? path.string() : canonical.string()).second) {
            found_.files.push_back(path.string());
        }
    }

    void add_folder(const fs::path& folder, const fs::path& root) {
        std::error_code error;
        std::vector<fs::path> entries;
        for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
             entry.increment(error)) {
            entries.push_back(entry->path());
        }
        if (error) return refuse(folder, error.message());
        std::sort(entries.begin(), entries.end());
        for (const auto& entry : entries) add_entry(entry, root);
    }

  private:
    void refuse(const fs::path& path, const std::string& reason) {
        found_.refused.push_back({path.string(), reason});
    }

    void add_entry(const fs::path& entry, const fs::path& root) {
        std::error_code error;
        const bool is_folder = fs::is_directory(entry, error);
        if (!is_folder && !may_hold_spectra(entry.string())) return;
        if (!fs::is_symlink(fs::symlink_status(entry, error))) {
            return is_folder ? add_folder(entry, root) : add_file(entry);
        }
        const fs::path target = fs::weakly_canonical(entry, error);
        if (error || !is_inside(target, root)) {
            return refuse(entry, "symbolic link out of the data folder");
        }
        // A folder inside the root is searched under its own name.
        if (!is_folder) add_file(entry);
    }

    SpectrumFiles& found_;
    std::unordered_set<std::string> seen_;
};

}  // namespace

bool is_named_like_fits(const std::string& path) {
    std::string name = lower_case(path);
    if (name.ends_with(".gz") || name.ends_with(".fz")) name.resize(name.size() - 3);
    return name.ends_with(".fits") || name.ends_with(".fit") || name.ends_with(".fts");
}

SpectrumFiles find_spectrum_files(const std::vector<std::string>& paths) {
    SpectrumFiles found;
    Search search(found);
    for (const auto& path : paths) {
        std::error_code error;
        if (fs::is_directory(path, error)) {
            search.add_folder(path, fs::canonical(path, error));
        } else {
            search.add_file(path);
        }
    }
    return found;
}

}  // namespace balmer::data
