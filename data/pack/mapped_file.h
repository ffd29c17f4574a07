#pragma once
// A file mapped into memory, read-only.

#include <cstddef>
#include <string>
#include <string_view>

namespace balmer::data {

/// The whole of a regular file. Whoever maps a file has to see to it that nobody shortens it (here:
/// the lock of its folder).
class MappedFile {
  public:
    MappedFile() = default;
    /// IoError naming the file if it is missing or no regular file.
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  private:
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace balmer::data
