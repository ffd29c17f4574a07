#include "data/pack/shard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include "kernels/core/error.h"
#include "weights/checksum.h"
#include "weights/safetensors.h"

namespace balmer::data {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

/// FormatError unless the tensor has rank 1 and begins where its elements may.
void expect_column(const std::string& path, const weights::TensorInfo& tensor,
                   std::size_t alignment) {
    if (tensor.shape.rank() != 1) {
        throw FormatError(path, fmt::format("column '{}' is {}, expected rank 1", tensor.name,
                                            weights::to_string(tensor)));
    }
    if (tensor.begin % alignment != 0) {
        throw FormatError(
            path, fmt::format("column '{}' is not aligned to {} bytes", tensor.name, alignment));
    }
}

const weights::TensorInfo& column_named(const std::string& path,
                                        const weights::SafetensorsHeader& header,
                                        const char* name) {
    const auto* tensor = header.find(name);
    if (tensor == nullptr) throw FormatError(path, fmt::format("has no column '{}'", name));
    return *tensor;
}

template <class T>
std::span<const T> column_in(const std::string& path, std::string_view mapping,
                             const weights::SafetensorsHeader& header, const char* name) {
    const auto& tensor = column_named(path, header, name);
    const weights::StoredType expected = weights::stored_type(dtype_of_v<T>);
    if (tensor.type != expected) {
        throw FormatError(
            path, fmt::format("column '{}' is {}, expected {}", name, weights::to_string(tensor),
                              weights::name_of(expected)));
    }
    expect_column(path, tensor, alignof(T));
    return {reinterpret_cast<const T*>(mapping.data() + tensor.begin),
            static_cast<std::size_t>(tensor.shape.numel())};
}

/// A column of any type in which pixels are stored.
StoredPixels pixels_in(const std::string& path, std::string_view mapping,
                       const weights::SafetensorsHeader& header, const char* name) {
    const auto& tensor = column_named(path, header, name);
    expect_column(path, tensor, weights::size_of(tensor.type));
    StoredPixels pixels;
    switch (tensor.type) {
        case weights::StoredType::f32:
            pixels.type = PixelStore::f32;
            break;
        case weights::StoredType::f16:
            pixels.type = PixelStore::f16;
            break;
        case weights::StoredType::bf16:
            pixels.type = PixelStore::bf16;
            break;
        default:
            throw FormatError(path, fmt::format("column '{}' is {}, expected F32, F16 or BF16",
                                                name, weights::to_string(tensor)));
    }
    pixels.data = mapping.data() + tensor.begin;
    pixels.size = static_cast<std::size_t>(tensor.shape.numel());
    return pixels;
}

weights::StoredType stored_type_of(PixelStore store, bool is_flux) {
    if (store == PixelStore::f32) return weights::StoredType::f32;
    return is_flux && store == PixelStore::f16 ? weights::StoredType::f16
                                               : weights::StoredType::bf16;
}

/// FormatError unless `offset` runs from 0 to `end` without going back.
void expect_offsets(const std::string& path, const char* name, std::span<const std::int64_t> offset,
                    std::size_t end) {
    bool is_sound =
        !offset.empty() && offset.front() == 0 && offset.back() == static_cast<std::int64_t>(end);
    for (std::size_t i = 1; is_sound && i < offset.size(); ++i) {
        is_sound = offset[i] >= offset[i - 1];
    }
    if (!is_sound) {
        throw FormatError(path, fmt::format("column '{}' does not run from 0 to {}", name, end));
    }
}

std::string_view text_at(std::span<const std::uint8_t> bytes, std::span<const std::int64_t> offset,
                         std::int64_t index) {
    return {reinterpret_cast<const char*>(bytes.data()) + offset[index],
            static_cast<std::size_t>(offset[index + 1] - offset[index])};
}

}  // namespace

Shard::Shard(const std::string& path) : path_(path), mapping_(path) {
    const std::string_view bytes = mapping_.bytes();
    const auto header = weights::parse_safetensors_header(path, bytes, bytes.size());
    for_each_column(
        columns_, [&]<class T>(const char* name, std::span<const T>& column, Extent extent) {
            if constexpr (std::is_same_v<T, float>) {
                StoredPixels& stored = &column == &columns_.flux ? flux_ : inverse_variance_;
                stored = pixels_in(path, bytes, header, name);
                if (stored.type != PixelStore::f32) return;
                column = {reinterpret_cast<const float*>(stored.data), stored.size};
            } else {
                if (extent == Extent::some && header.find(name) == nullptr) return;
                column = column_in<T>(path, bytes, header, name);
            }
        });
    check_lengths();
}

void Shard::check_lengths() const {
    const std::size_t spectra = columns_.row.size();
    const std::size_t pixels = columns_.wavelength.size();
    const auto expect = [&](const char* name, std::size_t actual, std::size_t expected) {
        if (actual == expected) return;
        throw FormatError(
            path_, fmt::format("column '{}' has {} elements, expected {}", name, actual, expected));
    };
    expect("flux", flux_.size, pixels);
    expect("inverse_variance", inverse_variance_.size, pixels);
    for_each_column(columns_,
                    [&]<class T>(const char* name, std::span<const T> column, Extent extent) {
                        if (std::is_same_v<T, float>) return;
                        if (extent == Extent::pixels) expect(name, column.size(), pixels);
                        if (extent == Extent::spectra) expect(name, column.size(), spectra);
                        if (extent == Extent::some && !column.empty())
                            expect(name, column.size(), spectra);
                        if (extent == Extent::boundaries) expect(name, column.size(), spectra + 1);
                    });
    expect_offsets(path_, "offset", columns_.offset, pixels);
    expect_offsets(path_, "file_offset", columns_.file_offset, columns_.file_bytes.size());
    expect_offsets(path_, "object_name_offset", columns_.object_name_offset,
                   columns_.object_name_bytes.size());
}

std::span<const float> Shard::flux(std::int64_t index, PixelScratch& scratch) const {
    const auto begin = static_cast<std::size_t>(columns_.offset[index]);
    const auto count = static_cast<std::size_t>(columns_.offset[index + 1]) - begin;
    const std::int32_t exponent =
        columns_.flux_exponent.empty() ? 0 : columns_.flux_exponent[index];
    return flux_.values(begin, count, exponent, scratch.flux);
}

std::span<const float> Shard::inverse_variance(std::int64_t index, PixelScratch& scratch) const {
    const auto begin = static_cast<std::size_t>(columns_.offset[index]);
    const auto count = static_cast<std::size_t>(columns_.offset[index + 1]) - begin;
    return inverse_variance_.values(begin, count, 0, scratch.inverse_variance);
}

std::string_view Shard::file(std::int64_t index) const {
    return text_at(columns_.file_bytes, columns_.file_offset, index);
}

std::string_view Shard::object_name(std::int64_t index) const {
    return text_at(columns_.object_name_bytes, columns_.object_name_offset, index);
}

std::string Shard::checksum() const {
    return weights::checksum_of(bytes().data(), bytes().size());
}

void write_shard(const std::string& path, const ShardColumns<Vector>& columns, PixelStore store) {
    std::vector<weights::NamedView> tensors;
    for_each_column(columns,
                    [&]<class T>(const char* name, const std::vector<T>& column, Extent extent) {
                        if (extent == Extent::some && column.empty()) return;
                        const auto size = static_cast<std::int64_t>(column.size());
                        weights::NamedView tensor = {
                            name, View(const_cast<T*>(column.data()), dtype_of_v<T>, {size})};
                        if constexpr (std::is_same_v<T, float>) {
                            tensor.stored = stored_type_of(store, &column == &columns.flux);
                        }
                        tensors.push_back(std::move(tensor));
                    });
    weights::write_safetensors(path, tensors);
}

void rewrite_groups_and_splits(const std::string& path, std::span<const std::int64_t> group,
                               std::span<const std::uint8_t> split) {
    std::size_t group_position = 0;
    std::size_t split_position = 0;
    {
        const Shard shard(path);
        const auto& columns = shard.columns();
        if (columns.group.size() != group.size() || columns.split.size() != split.size()) {
            throw FormatError(
                path, fmt::format("has {} spectra, expected {}", shard.size(), group.size()));
        }
        const auto position = [&](const void* data) {
            return static_cast<std::size_t>(static_cast<const char*>(data) - shard.bytes().data());
        };
        group_position = position(columns.group.data());
        split_position = position(columns.split.data());
    }
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) throw IoError(path, std::strerror(errno));
    const auto write_at = [&](const void* data, std::size_t bytes, std::size_t position) {
        return ::pwrite(descriptor, data, bytes, static_cast<off_t>(position)) ==
               static_cast<ssize_t>(bytes);
    };
    const bool is_written = write_at(group.data(), group.size_bytes(), group_position) &&
                            write_at(split.data(), split.size_bytes(), split_position) &&
                            ::fsync(descriptor) == 0;
    const std::string reason = is_written ? "" : std::strerror(errno);
    ::close(descriptor);
    if (!is_written) throw IoError(path, reason);
}

}  // namespace balmer::data
