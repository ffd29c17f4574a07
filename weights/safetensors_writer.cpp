#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <tuple>

#include "weights/safetensors.h"
#include "weights/strict_json.h"

namespace balmer::weights {
namespace {

using json = nlohmann::json;

std::uint64_t bytes_of(const TensorSpec& spec) {
    auto bytes = static_cast<std::int64_t>(size_of(spec.type));
    for (const auto size : spec.shape) {
        if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) {
            throw ShapeError(fmt::format("write_safetensors: tensor {} has shape {}",
                                         in_quotes(spec.name), to_string(spec.shape)));
        }
    }
    return static_cast<std::uint64_t>(bytes);
}

/// The tensors in file order with positions relative to the data.
std::vector<TensorInfo> lay_out(const std::vector<TensorSpec>& specs) {
    std::vector<TensorInfo> tensors;
    tensors.reserve(specs.size());
    std::set<std::string_view> names;
    for (const auto& spec : specs) {
        if (!names.insert(spec.name).second) {
            throw UsageError(
                fmt::format("write_safetensors: two tensors are called {}", in_quotes(spec.name)));
        }
        if (spec.name == "__metadata__") {
            throw UsageError("write_safetensors: no tensor can be called '__metadata__'");
        }
        tensors.push_back({spec.name, spec.type, spec.shape, 0, bytes_of(spec)});
    }
    std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
        return std::tie(b.type, a.name) < std::tie(a.type, b.name);
    });
    std::uint64_t position = 0;
    for (auto& tensor : tensors) {
        tensor.begin = position;
        tensor.end = position += tensor.end;
    }
    return tensors;
}

std::string header_text(const std::vector<TensorInfo>& tensors, const Metadata& metadata) {
    std::vector<std::string> entries;
    if (!metadata.empty()) entries.push_back("\"__metadata__\":" + json(metadata).dump());
    for (const auto& tensor : tensors) {
        const std::span shape(tensor.shape.begin(), tensor.shape.end());
        entries.push_back(fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                                      json(tensor.name).dump(), name_of(tensor.type),
                                      fmt::join(shape, ","), tensor.begin, tensor.end));
    }
    return fmt::format("{{{}}}", fmt::join(entries, ","));
}

/// Length field and header text, padded with spaces so that the data begins at a multiple of 8.
std::string header_bytes(const std::vector<TensorInfo>& tensors, const Metadata& metadata) {
    std::string text;
    try {
        text = header_text(tensors, metadata);
    } catch (const json::exception&) {
        throw UsageError("write_safetensors: a tensor name or metadata entry is not UTF-8");
    }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    if (text.size() > largest_safetensors_header) {
        throw UsageError(
            fmt::format("write_safetensors: a header of {} bytes is above the limit", text.size()));
    }
    const std::uint64_t length = text.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes + text;
}

bool is_float(StoredType type) {
    return type == StoredType::f64 || type == StoredType::f32 || type == StoredType::bf16 ||
           type == StoredType::f16;
}

StoredType type_in_file(const NamedView& tensor) {
    const StoredType own = stored_type(tensor.view.dtype);
    const StoredType wanted = tensor.stored.value_or(own);
    const bool converts = own == StoredType::f32 && is_float(wanted);
    const bool keeps_bits = size_of(own) == size_of(wanted) && is_float(own) == is_float(wanted);
    if (own != wanted && !converts && !keeps_bits) {
        throw DTypeError(fmt::format(
            "write_safetensors: tensor {} is {} and cannot be stored as {}", in_quotes(tensor.name),
            balmer::name_of(tensor.view.dtype), name_of(wanted)));
    }
    return wanted;
}

void expect_writable(const NamedView& tensor) {
    if (tensor.view.device.type != DeviceType::cpu) {
        throw DeviceError(fmt::format("write_safetensors: tensor {} is on {}, expected cpu",
                                      in_quotes(tensor.name), balmer::name_of(tensor.view.device)));
    }
    expect_contiguous(tensor.view, "write_safetensors", in_quotes(tensor.name).c_str());
}

template <class Stored>
void write_converted(SafetensorsWriter& writer, const NamedView& tensor) {
    constexpr std::size_t piece = 1 << 16;
    std::vector<Stored> buffer;
    buffer.reserve(piece);
    std::span<const float> rest(tensor.view.as<float>(),
                                static_cast<std::size_t>(tensor.view.numel()));
    while (!rest.empty()) {
        const auto part = rest.first(std::min(piece, rest.size()));
        buffer.clear();
        for (const float value : part) buffer.push_back(static_cast<Stored>(value));
        writer.write(tensor.name, buffer.data(), buffer.size() * sizeof(Stored));
        rest = rest.subspan(part.size());
    }
}

void write_tensor(SafetensorsWriter& writer, const NamedView& tensor) {
    const View& view = tensor.view;
    const StoredType stored = type_in_file(tensor);
    if (view.dtype == DType::f32 && stored != StoredType::f32) {
        if (stored == StoredType::f64) return write_converted<double>(writer, tensor);
        if (stored == StoredType::bf16) return write_converted<bfloat16>(writer, tensor);
        return write_converted<Eigen::half>(writer, tensor);
    }
    writer.write(tensor.name, view.data, static_cast<std::size_t>(view.numel()) * size_of(stored));
}

}  // namespace

void write_safetensors(const std::string& path, const std::vector<NamedView>& tensors,
                       const Metadata& metadata) {
    std::vector<TensorSpec> specs;
    std::map<std::string_view, const NamedView*> by_name;
    for (const auto& tensor : tensors) {
        expect_writable(tensor);
        specs.push_back({tensor.name, type_in_file(tensor), tensor.view.shape});
        by_name[tensor.name] = &tensor;
    }
    SafetensorsWriter writer(path, specs, metadata);
    for (const auto& tensor : writer.tensors()) write_tensor(writer, *by_name.at(tensor.name));
    writer.commit();
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, const std::vector<TensorSpec>& specs,
                                     const Metadata& metadata)
    : file_(path), tensors_(lay_out(specs)) {
    const std::string header = header_bytes(tensors_, metadata);
    for (auto& tensor : tensors_) {
        tensor.begin += header.size();
        tensor.end += header.size();
    }
    file_.write(header);
    skip_complete_tensors();
}

void SafetensorsWriter::skip_complete_tensors() {
    while (current_ < tensors_.size() && tensors_[current_].end == file_.bytes_written()) {
        ++current_;
    }
}

void SafetensorsWriter::write(std::string_view name, const void* data, std::size_t bytes) {
    if (bytes == 0) return;
    if (current_ == tensors_.size() || tensors_[current_].name != name) {
        throw UsageError(fmt::format(
            "SafetensorsWriter: bytes for tensor {} while {} is expected", in_quotes(name),
            current_ == tensors_.size() ? std::string("the end of the file")
                                        : in_quotes(tensors_[current_].name)));
    }
    const std::uint64_t room = tensors_[current_].end - file_.bytes_written();
    if (bytes > room) {
        throw UsageError(
            fmt::format("SafetensorsWriter: {} bytes for tensor {}, which has room "
                        "for {}",
                        bytes, in_quotes(name), room));
    }
    file_.write(data, bytes);
    skip_complete_tensors();
}

void SafetensorsWriter::commit() {
    if (current_ < tensors_.size()) {
        throw UsageError(fmt::format("SafetensorsWriter: {} bytes of tensor {} are missing",
                                     tensors_[current_].end - file_.bytes_written(),
                                     in_quotes(tensors_[current_].name)));
    }
    file_.commit();
}

}  // namespace balmer::weights
