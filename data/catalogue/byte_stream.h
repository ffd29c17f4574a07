#pragma once
// The bytes of a table that may be larger than memory, one piece after the other.

#include <cstddef>
#include <functional>
#include <string>

namespace balmer::data {

/// Fills `buffer` with up to `size` further bytes and returns how many; 0 at the end.
using ByteStream = std::function<std::size_t(char* buffer, std::size_t size)>;

/// A file, inflated where it is gzip. The path is taken literally; a directory, FIFO or device is
/// refused without blocking (FAULTS 33). IoError where it cannot be opened or read; FormatError,
/// also from the stream, for a corrupt or cut gzip file.
ByteStream open_byte_stream(const std::string& path);

/// Bytes in memory.
ByteStream memory_stream(std::string bytes);

}  // namespace balmer::data
