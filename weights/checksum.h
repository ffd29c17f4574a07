#pragma once
// Checksums of memory and of files: XXH3, 64 bits, as sixteen lower-case hexadecimal digits (what
// `xxhsum -H3` prints). They find accidents, not forgeries.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace balmer::weights {

class File;

/// A checksum of bytes that come in pieces.
class Checksum {
  public:
    Checksum();
    ~Checksum();
    Checksum(Checksum&& other) noexcept;
    Checksum& operator=(Checksum&& other) noexcept;

    void update(const void* data, std::size_t bytes);
    /// Of all bytes given so far; more may follow.
    std::string hex() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string checksum_of(const void* data, std::size_t bytes);

/// Of bytes [begin, end) of a file. IoError if the file cannot be read that far.
std::string checksum_of(const File& file, std::uint64_t begin, std::uint64_t end);

/// Of a whole file. IoError if it cannot be read.
std::string checksum_of_file(const std::string& path);

}  // namespace balmer::weights
