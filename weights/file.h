#pragma once
// Reading regular files into memory that Balmer owns.

#include <cstddef>
#include <cstdint>
#include <string>

namespace balmer::weights {

/// A regular file opened for reading. Reads take positions, so one object serves many threads.
class File {
  public:
    /// IoError naming the file and the reason if it cannot be opened or is a directory, FIFO or
    /// device (none of them blocks).
    explicit File(const std::string& path);
    ~File();
    File(File&& other) noexcept;
    File& operator=(File&& other) noexcept;
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    const std::string& path() const { return path_; }
    /// Bytes in the file when it was opened.
    std::uint64_t size() const { return size_; }

    /// Reads exactly `bytes` bytes from `position`. IoError if the file ends before (it was cut
    /// after it had been opened); `what` names the part in that message.
    void read(std::uint64_t position, void* destination, std::size_t bytes,
              const std::string& what) const;

  private:
    std::string path_;
    std::uint64_t size_ = 0;
    int descriptor_ = -1;
};

/// The whole of a small file, such as a configuration. FormatError above `limit` bytes.
std::string read_text_file(const std::string& path, std::uint64_t limit = 100'000'000);

}  // namespace balmer::weights
