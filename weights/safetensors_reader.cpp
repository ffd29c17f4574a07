#include <fmt/core.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cstring>

#include "weights/safetensors.h"
#include "weights/strict_json.h"

namespace balmer::weights {
namespace {

SafetensorsHeader read_header(const File& file) {
    std::array<char, 8> length{};
    const std::size_t known = std::min<std::uint64_t>(length.size(), file.size());
    file.read(0, length.data(), known, "the header");
    const std::uint64_t bytes =
        safetensors_header_size(file.path(), {length.data(), known}, file.size());
    std::string start(bytes, '\0');
    file.read(0, start.data(), start.size(), "the header");
    return parse_safetensors_header(file.path(), start, file.size());
}

/// Reads a tensor of elements `Stored` piece by piece and converts it to f32.
template <class Stored>
void read_converted(const File& file, const TensorInfo& tensor, float* destination) {
    constexpr std::size_t piece = 1 << 16;
    std::vector<Stored> buffer(std::min<std::size_t>(piece, tensor.bytes() / sizeof(Stored)));
    for (std::uint64_t position = tensor.begin; position < tensor.end;) {
        const std::size_t count =
            std::min<std::uint64_t>(buffer.size(), (tensor.end - position) / sizeof(Stored));
        file.read(position, buffer.data(), count * sizeof(Stored),
                  "tensor " + in_quotes(tensor.name));
        destination = std::transform(buffer.begin(), buffer.begin() + count, destination,
                                     [](Stored value) { return static_cast<float>(value); });
        position += count * sizeof(Stored);
    }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path)
    : file_(path), header_(read_header(file_)) {}

const TensorInfo& SafetensorsFile::info(std::string_view name) const {
    const TensorInfo* tensor = header_.find(name);
    if (tensor == nullptr) throw FormatError(path(), "no tensor " + in_quotes(name));
    return *tensor;
}

void SafetensorsFile::read_into(std::string_view name, void* destination, std::size_t bytes) const {
    const TensorInfo& tensor = info(name);
    if (bytes != tensor.bytes()) {
        throw ShapeError(fmt::format("{}: tensor {} {} has {} bytes, room is given for {}", path(),
                                     in_quotes(name), to_string(tensor), tensor.bytes(), bytes));
    }
    file_.read(tensor.begin, destination, bytes, "tensor " + in_quotes(name));
}

void SafetensorsFile::read_as_f32(std::string_view name, float* destination) const {
    const TensorInfo& tensor = info(name);
    switch (tensor.type) {
        case StoredType::f32:
            return read_into(name, destination, tensor.bytes());
        case StoredType::f64:
            return read_converted<double>(file_, tensor, destination);
        case StoredType::bf16:
            return read_converted<bfloat16>(file_, tensor, destination);
        case StoredType::f16:
            return read_converted<Eigen::half>(file_, tensor, destination);
        default:
            throw FormatError(path(), fmt::format("tensor {} is {}, expected F32, F64, BF16 or F16",
                                                  in_quotes(name), name_of(tensor.type)));
    }
}

void SafetensorsFile::expect_dtype(const TensorInfo& tensor, DType asked) const {
    if (dtype_of_stored(tensor.type) == asked) return;
    throw DTypeError(fmt::format("{}: tensor {} is {}, asked for as {}", path(),
                                 in_quotes(tensor.name), name_of(tensor.type),
                                 balmer::name_of(asked)));
}

}  // namespace balmer::weights
