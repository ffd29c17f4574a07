#pragma once
// The bytes of a file that users hand in: opened literally, never blocking, never without a limit.

#include <cstdint>
#include <string>
#include <vector>

namespace balmer::data {

/// Reads the whole file at `path` into memory and, when it begins with the gzip magic, inflates it
/// (all members; what follows the last one is ignored, as gzip does).
///
/// The path is taken literally: no URL, no `[extension]`, no `-` for stdin. Symbolic links are
/// followed. A directory, FIFO, socket or device is refused without blocking.
///
/// Throws SpectrumError: not_a_file (missing, unreadable or no regular file), bad_structure (a
/// plain file above `byte_limit`), truncated (a gzip stream that ends early), bad_gzip (corrupt,
/// wrong CRC or above `byte_limit` after inflation).
std::vector<char> read_file_bytes(const std::string& path, std::int64_t byte_limit);

/// Up to `size` bytes from the start of the file, inflated as far as they are gzip. Throws
/// SpectrumError: not_a_file.
std::string read_file_start(const std::string& path, std::int64_t size);

}  // namespace balmer::data
