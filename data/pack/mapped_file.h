#pragma once
// A file mapped into memory, read-only.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace balmer::data {

/// The whole of a regular file; copies share one mapping. Whoever maps a file has to see to it that
/// nobody shortens it (here: the lock of its folder).
class MappedFile {
  public:
    MappedFile() = default;
    /// IoError naming the file if it is missing or no regular file.
    explicit MappedFile(const std::string& path);

    std::string_view bytes() const { return {static_cast<const char*>(data_.get()), size_}; }

  private:
    std::shared_ptr<void> data_;
    std::size_t size_ = 0;
};

}  // namespace balmer::data
