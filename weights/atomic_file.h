#pragma once
// Files that appear whole or not at all: temporary file, fsync, rename, fsync of the folder.
//
// A temporary file stands in the folder of its target, is called `.<name>.tmp-<pid>-<n>` and is
// locked (flock) for as long as its writer lives, so that what a killed writer left behind can be
// told from a file that is being written, whichever process or container writes it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace balmer::weights {

/// A file being written. Until commit() the old content of `path` stays as it is; without commit()
/// nothing remains. Every failure (no space, quota, size limit, permission, ...) is an IoError
/// naming `path` and the reason, and leaves the old file untouched and no temporary file.
class AtomicFile {
  public:
    explicit AtomicFile(const std::string& path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(const void* data, std::size_t bytes);
    void write(std::string_view text) { write(text.data(), text.size()); }

    /// Makes the bytes durable and gives the file its name. No write may follow.
    void commit();

    const std::string& path() const { return path_; }
    std::uint64_t bytes_written() const { return bytes_written_; }

  private:
    void open_temporary();
    void expect_open() const;
    void flush();
    void write_through(const char* data, std::size_t bytes);
    [[noreturn]] void fail(const char* action, int error);
    void discard() noexcept;

    std::string path_;
    std::string temporary_;
    std::string buffer_;
    std::uint64_t bytes_written_ = 0;
    int descriptor_ = -1;
};

/// Writes `content` as the whole of `path` through an AtomicFile.
void write_file_atomically(const std::string& path, std::string_view content);

/// True for the names that AtomicFile gives to temporary files: readers of a folder skip these.
bool is_temporary_name(std::string_view name);

/// Deletes the temporary files in `folder` whose writers are dead and returns their paths. IoError
/// if the folder cannot be read.
std::vector<std::string> remove_stale_temporaries(const std::string& folder);

/// IoError unless a file can be created in `folder`: asked before long work whose result goes
/// there.
void expect_writable_folder(const std::string& folder);

}  // namespace balmer::weights
