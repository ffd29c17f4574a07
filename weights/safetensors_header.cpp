#include "weights/safetensors_header.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>
#include <utility>

#include "kernels/core/error.h"
#include "weights/strict_json.h"

namespace balmer::weights {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

using json = nlohmann::json;

constexpr std::uint64_t length_bytes = 8;

/// Turns the entries of one header into tensors; positions are relative to the data until the whole
/// is known to be sound.
class HeaderReader {
  public:
    HeaderReader(const std::string& path, std::uint64_t data_bytes)
        : path_(path), data_bytes_(data_bytes) {}

    void read(std::string_view text) {
        // Entry by entry, dropping each: a header of 10^6 tensors is never held as a tree.
        std::string name;
        const auto consume = [&](int depth, json::parse_event_t event, json& parsed) {
            if (depth == 0) return expect_object_at_top(event);
            if (depth > 1) return true;
            if (event == json::parse_event_t::key) {
                name = parsed.get<std::string>();
            } else if (event != json::parse_event_t::object_start &&
                       event != json::parse_event_t::array_start) {
                read_entry(name, parsed);
                return false;
            }
            return true;
        };
        std::ignore = json::parse(text.begin(), text.end(), consume);
    }

    void expect_tiling() {
        std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
            return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
        });
        std::uint64_t position = 0;
        const TensorInfo* previous = nullptr;
        for (const auto& tensor : tensors) {
            if (tensor.begin < position) {
                refuse(fmt::format("tensors {} and {} overlap at byte {} of the data",
                                   in_quotes(previous->name), in_quotes(tensor.name),
                                   tensor.begin));
            }
            if (tensor.begin > position) {
                refuse(fmt::format("bytes {} to {} of the data belong to no tensor (before {})",
                                   position, tensor.begin, in_quotes(tensor.name)));
            }
            position = tensor.end;
            previous = &tensor;
        }
        if (position < data_bytes_) {
            refuse(fmt::format("{} trailing bytes after the last tensor", data_bytes_ - position));
        }
    }

    std::vector<TensorInfo> tensors;
    std::map<std::string, std::string> metadata;

  private:
    [[noreturn]] void refuse(const std::string& reason) const { throw FormatError(path_, reason); }

    bool expect_object_at_top(json::parse_event_t event) const {
        if (event != json::parse_event_t::object_start &&
            event != json::parse_event_t::object_end) {
            refuse("header is not a JSON object");
        }
        return true;
    }

    void read_entry(const std::string& name, const json& entry) {
        if (name == "__metadata__") {
            read_metadata(entry);
        } else {
            read_tensor(name, entry);
        }
    }

    void read_metadata(const json& entry) {
        const auto is_string = [](const json& value) { return value.is_string(); };
        if (!entry.is_object() || !std::all_of(entry.begin(), entry.end(), is_string)) {
            refuse("'__metadata__' must be an object of strings; no tensor can have that name");
        }
        metadata = entry.get<std::map<std::string, std::string>>();
    }

    void read_tensor(const std::string& name, const json& entry) {
        const std::string label = "tensor " + in_quotes(name);
        if (!entry.is_object()) refuse(label + " is not described by an object");
        TensorInfo tensor;
        tensor.name = name;
        tensor.type = read_type(label, field(label, entry, "dtype"));
        tensor.shape = read_shape(label, field(label, entry, "shape"));
        std::tie(tensor.begin, tensor.end) =
            read_offsets(label, field(label, entry, "data_offsets"));
        const std::uint64_t needed = bytes_of(label, tensor);
        if (tensor.bytes() != needed) {
            refuse(fmt::format("{}: {} takes {} bytes, its data_offsets span {}", label,
                               to_string(tensor), needed, tensor.bytes()));
        }
        if (tensor.end > data_bytes_) {
            refuse(
                fmt::format("{} ends at byte {} of the data, the file holds {}: it is {} bytes "
                            "short",
                            label, tensor.end, data_bytes_, tensor.end - data_bytes_));
        }
        tensors.push_back(std::move(tensor));
    }

    const json& field(const std::string& label, const json& entry, const char* key) const {
        const auto found = entry.find(key);
        if (found == entry.end()) refuse(fmt::format("{} has no {}", label, key));
        return *found;
    }

    StoredType read_type(const std::string& label, const json& value) const {
        if (!value.is_string()) refuse(label + ": dtype is not a string");
        const auto& name = value.get_ref<const std::string&>();
        const auto type = stored_type(name);
        if (!type) refuse(fmt::format("{}: unknown dtype {}", label, in_quotes(name)));
        return *type;
    }

    Shape read_shape(const std::string& label, const json& value) const {
        if (!value.is_array()) refuse(label + ": shape is not an array");
        if (value.size() > static_cast<std::size_t>(Shape::max_rank)) {
            refuse(fmt::format("{}: {} dimensions, at most {} are supported", label, value.size(),
                               Shape::max_rank));
        }
        Shape shape;
        for (const auto& dimension : value) {
            constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
            if (!dimension.is_number_unsigned() || dimension.get<std::uint64_t>() > largest) {
                refuse(fmt::format("{}: dimension {} is not a whole number from 0 to 2^63-1", label,
                                   in_quotes(dimension.dump())));
            }
            shape.push_back(dimension.get<std::int64_t>());
        }
        return shape;
    }

    std::pair<std::uint64_t, std::uint64_t> read_offsets(const std::string& label,
                                                         const json& value) const {
        if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() ||
            !value[1].is_number_unsigned() || value[0] > value[1]) {
            refuse(fmt::format("{}: data_offsets {} are not two increasing positions", label,
                               in_quotes(value.dump())));
        }
        return {value[0].get<std::uint64_t>(), value[1].get<std::uint64_t>()};
    }

    /// Sizes of zero are left out of the product, so that every stride of the shape fits as well.
    std::uint64_t bytes_of(const std::string& label, const TensorInfo& tensor) const {
        auto bytes = static_cast<std::int64_t>(size_of(tensor.type));
        bool is_empty = false;
        for (const auto size : tensor.shape) {
            if (size == 0) {
                is_empty = true;
            } else if (__builtin_mul_overflow(bytes, size, &bytes)) {
                refuse(fmt::format("{}: the size of shape {} overflows", label,
                                   to_string(tensor.shape)));
            }
        }
        return is_empty ? 0 : static_cast<std::uint64_t>(bytes);
    }

    const std::string& path_;
    std::uint64_t data_bytes_;
};

}  // namespace

std::string to_string(const TensorInfo& tensor) {
    return std::string(name_of(tensor.type)) + " " + to_string(tensor.shape);
}

SafetensorsHeader::SafetensorsHeader(std::vector<TensorInfo> tensors,
                                     std::map<std::string, std::string> metadata)
    : tensors_(std::move(tensors)), metadata_(std::move(metadata)), by_name_(tensors_.size()) {
    std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
    std::sort(by_name_.begin(), by_name_.end(),
              [this](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
}

const TensorInfo* SafetensorsHeader::find(std::string_view name) const {
    const auto found = std::lower_bound(
        by_name_.begin(), by_name_.end(), name,
        [this](std::size_t index, std::string_view key) { return tensors_[index].name < key; });
    if (found == by_name_.end() || tensors_[*found].name != name) return nullptr;
    return &tensors_[*found];
}

std::uint64_t safetensors_header_size(const std::string& path, std::string_view start,
                                      std::uint64_t file_size) {
    if (file_size == 0) throw FormatError(path, "file is empty");
    if (file_size < length_bytes || start.size() < length_bytes) {
        throw FormatError(
            path, fmt::format("file of {} bytes is too short for a safetensors file", file_size));
    }
    std::uint64_t length = 0;
    std::memcpy(&length, start.data(), length_bytes);
    if (length > largest_safetensors_header) {
        throw FormatError(path, fmt::format("header length {} is above the limit of {} bytes: not "
                                            "a safetensors file, or a damaged one",
                                            length, largest_safetensors_header));
    }
    if (length > file_size - length_bytes) {
        throw FormatError(path, fmt::format("header of {} bytes does not fit the file of {} bytes",
                                            length, file_size));
    }
    return length_bytes + length;
}

SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view start,
                                           std::uint64_t file_size) {
    const std::uint64_t data_begin = safetensors_header_size(path, start, file_size);
    if (start.size() < data_begin) {
        throw UsageError(fmt::format("parse_safetensors_header: {} of {} header bytes given",
                                     start.size(), data_begin));
    }
    const auto text = start.substr(length_bytes, data_begin - length_bytes);
    expect_strict_json(path, "header", text);
    HeaderReader reader(path, file_size - data_begin);
    reader.read(text);
    if (!text.starts_with('{')) throw FormatError(path, "header does not begin with '{'");
    reader.expect_tiling();
    for (auto& tensor : reader.tensors) {
        tensor.begin += data_begin;
        tensor.end += data_begin;
    }
    return {std::move(reader.tensors), std::move(reader.metadata)};
}

}  // namespace balmer::weights
