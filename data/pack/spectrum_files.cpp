#include "data/pack/spectrum_files.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "data/fits/file_bytes.h"
#include "data/readers/text_table.h"
#include "data/spectrum.h"
#include "kernels/core/error.h"

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

/// A set of 128-bit hashes in an open-addressed table.
class HashSet {
  public:
    /// False if the text was in it.
    bool insert(std::string_view text) {
        const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
        // All zeros marks a free slot.
        const Hash value = {hash.low64, hash.high64 | 1U};
        if (2 * (count_ + 1) > slots_.size()) grow();
        Hash& slot = find(slots_, value);
        if (slot == value) return false;
        slot = value;
        ++count_;
        return true;
    }

  private:
    using Hash = std::array<std::uint64_t, 2>;

    static Hash& find(std::vector<Hash>& slots, const Hash& value) {
        const std::size_t mask = slots.size() - 1;
        std::size_t at = value[0] & mask;
        while (slots[at] != Hash{} && slots[at] != value) at = (at + 1) & mask;
        return slots[at];
    }
    void grow() {
        std::vector<Hash> larger(std::max<std::size_t>(64, 2 * slots_.size()));
        for (const Hash& value : slots_) {
            if (value != Hash{}) find(larger, value) = value;
        }
        slots_ = std::move(larger);
    }

    std::vector<Hash> slots_;
    std::size_t count_ = 0;
};

class Search {
  public:
    Search(const std::function<void(const std::string&)>& found,
           const std::function<void(const RefusedPath&)>& refused)
        : found_(found), refused_(refused) {}

    void add_path(const std::string& path) {
        std::error_code error;
        if (fs::is_directory(path, error)) {
            const fs::path root = fs::canonical(path, error);
            return search(path, root, root);
        }
        add_file(path, canonical_or_same(path));
    }

  private:
    static fs::path canonical_or_same(const fs::path& path) {
        std::error_code error;
        fs::path canonical = fs::weakly_canonical(path, error);
        return error ? path : canonical;
    }

    void refuse(const fs::path& path, const std::string& reason) {
        ++met_;
        refused_({path.string(), reason});
    }

    void add_file(const fs::path& path, const fs::path& canonical) {
        ++met_;
        if (seen_.insert(canonical.native())) found_(path.string());
    }

    /// A folder that is named like a file and has none in it stands where a file should be.
    void search(const fs::path& folder, const fs::path& canonical, const fs::path& root) {
        const std::int64_t before = met_;
        add_folder(folder, canonical, root);
        if (met_ == before && is_named_like_fits(folder.native())) {
            refuse(folder, "is a directory, not a file");
        }
    }

    /// `canonical` is the folder's own path without links.
    void add_folder(const fs::path& folder, const fs::path& canonical, const fs::path& root) {
        std::error_code error;
        std::vector<std::string> names;
        for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
             entry.increment(error)) {
            names.push_back(entry->path().filename().native());
        }
        if (error) return refuse(folder, error.message());
        std::sort(names.begin(), names.end());
        for (const auto& name : names) add_entry(folder / name, canonical / name, root);
    }

    void add_entry(const fs::path& entry, const fs::path& canonical, const fs::path& root) {
        std::error_code error;
        const bool is_link = fs::is_symlink(fs::symlink_status(entry, error));
        const bool is_folder = fs::is_directory(entry, error);
        if (!is_folder && !may_hold_spectra(entry.native())) return;
        if (!is_link) {
            return is_folder ? search(entry, canonical, root) : add_file(entry, canonical);
        }
        const fs::path target = fs::weakly_canonical(entry, error);
        if (error || !is_inside(target, root)) {
            return refuse(entry, "symbolic link out of the data folder");
        }
        // A folder inside the root is searched under its own name.
        if (!is_folder) add_file(entry, target);
    }

    const std::function<void(const std::string&)>& found_;
    const std::function<void(const RefusedPath&)>& refused_;
    HashSet seen_;
    std::int64_t met_ = 0;  ///< files and refusals so far, repeated ones too
};

}  // namespace

bool is_named_like_fits(const std::string& path) {
    constexpr std::size_t longest_ending = 8;  // .fits.gz
    std::string name = lower_case(path.substr(path.size() - std::min(path.size(), longest_ending)));
    if (name.ends_with(".gz") || name.ends_with(".fz")) name.resize(name.size() - 3);
    return name.ends_with(".fits") || name.ends_with(".fit") || name.ends_with(".fts");
}

SpectrumFiles find_spectrum_files(const std::vector<std::string>& paths) {
    SpectrumFiles all;
    find_spectrum_files(
        paths, [&](const std::string& file) { all.files.push_back(file); },
        [&](const RefusedPath& refused) { all.refused.push_back(refused); });
    return all;
}

void find_spectrum_files(const std::vector<std::string>& paths,
                         const std::function<void(const std::string& file)>& found,
                         const std::function<void(const RefusedPath& refused)>& refused) {
    Search search(found, refused);
    for (const auto& path : paths) search.add_path(path);
}

struct FileList::State {
    struct Free {
        void operator()(XXH3_state_t* hash) const { XXH3_freeState(hash); }
    };
    std::string path;
    std::fstream file;
    std::int64_t size = 0;
    std::unique_ptr<XXH3_state_t, Free> hash{XXH3_createState()};
};

FileList::FileList(const std::string& path) : state_(std::make_unique<State>()) {
    state_->path = path;
    state_->file.open(path, std::ios::binary | std::ios::in | std::ios::out | std::ios::trunc);
    if (!state_->file) throw IoError(path, std::strerror(errno));
    if (state_->hash == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(state_->hash.get());
}

FileList::~FileList() = default;

void FileList::append(const std::string& file) {
    // No path has a zero byte in it.
    const std::size_t bytes = std::strlen(file.c_str()) + 1;
    XXH3_128bits_update(state_->hash.get(), file.c_str(), bytes);
    state_->file.write(file.c_str(), static_cast<std::streamsize>(bytes));
    if (!state_->file) throw IoError(state_->path, std::strerror(errno));
    ++state_->size;
}

std::int64_t FileList::size() const {
    return state_->size;
}

std::string FileList::checksum() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_->hash.get());
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

void FileList::seek(std::int64_t index) {
    state_->file.flush();
    if (!state_->file) throw IoError(state_->path, std::strerror(errno));
    state_->file.seekg(0);
    for (std::int64_t i = 0; i < index && next(); ++i) continue;
}

std::optional<std::string> FileList::next() {
    std::string file;
    if (std::getline(state_->file, file, '\0')) return file;
    if (state_->file.bad()) throw IoError(state_->path, "cannot be read");
    state_->file.clear();
    return std::nullopt;
}

}  // namespace balmer::data
