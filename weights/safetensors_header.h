#pragma once
// The header of a safetensors file: 8 bytes of length N (little endian), N bytes of JSON, then the
// tensors' bytes. Format: https://github.com/huggingface/safetensors, section "Format".

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/shape.h"
#include "weights/stored_type.h"

namespace balmer::weights {

/// The longest header that is accepted, as in the reference library.
inline constexpr std::uint64_t largest_safetensors_header = 100'000'000;

/// A tensor in a file: bytes [begin, end) counted from the start of the file, row-major, little
/// endian.
struct TensorInfo {
    std::string name;
    StoredType type = StoredType::f32;
    Shape shape;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    std::uint64_t bytes() const { return end - begin; }
};

/// "F32 [2, 3]".
std::string to_string(const TensorInfo& tensor);

class SafetensorsHeader {
  public:
    SafetensorsHeader() = default;
    /// `tensors` in file order; names are unique.
    SafetensorsHeader(std::vector<TensorInfo> tensors, std::map<std::string, std::string> metadata);

    /// In file order.
    const std::vector<TensorInfo>& tensors() const { return tensors_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    /// Null if there is no tensor of that name.
    const TensorInfo* find(std::string_view name) const;

  private:
    std::vector<TensorInfo> tensors_;
    std::map<std::string, std::string> metadata_;
    std::vector<std::size_t> by_name_;
};

/// Bytes of the length field and the header together. `start` is at least the first 8 bytes of the
/// file (all of it if it is shorter). FormatError if the header cannot be that long.
std::uint64_t safetensors_header_size(const std::string& path, std::string_view start,
                                      std::uint64_t file_size);

/// Reads and checks the header of a file of `file_size` bytes. `start` begins at byte 0 of the file
/// and holds at least safetensors_header_size bytes: a mapping of the whole file will do.
/// FormatError naming `path` unless the header is a JSON object without repeated keys whose tensors
/// have known types, at most eight dimensions and a size that agrees with their span, and tile the
/// rest of the file without overlap, hole or trailing bytes.
SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view start,
                                           std::uint64_t file_size);

}  // namespace balmer::weights
