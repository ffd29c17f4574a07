#include "data/pack/shard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "kernels/core/error.h"
#include "weights/checksum.h"
#include "weights/safetensors.h"

namespace balmer::data {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

template <class T>
std::span<const T> column_in(const std::string& path, std::string_view mapping,
                             const weights::SafetensorsHeader& header, const char* name) {
    const auto* tensor = header.find(name);
    if (tensor == nullptr) throw FormatError(path, fmt::format("has no column '{}'", name));
    const weights::StoredType expected = weights::stored_type(dtype_of_v<T>);
    if (tensor->type != expected || tensor->shape.rank() != 1) {
        throw FormatError(path,
                          fmt::format("column '{}' is {}, expected {} of rank 1", name,
                                      weights::to_string(*tensor), weights::name_of(expected)));
    }
    if (tensor->begin % alignof(T) != 0) {
        throw FormatError(path,
                          fmt::format("column '{}' is not aligned to {} bytes", name, alignof(T)));
    }
    return {reinterpret_cast<const T*>(mapping.data() + tensor->begin),
            static_cast<std::size_t>(tensor->shape.numel())};
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
    for_each_column(columns_, [&]<class T>(const char* name, std::span<const T>& column, Extent) {
        column = column_in<T>(path, bytes, header, name);
    });
    check_lengths();
}

void Shard::check_lengths() const {
    const std::size_t spectra = columns_.row.size();
    const std::size_t pixels = columns_.flux.size();
    for_each_column(columns_, [&](const char* name, const auto& column, Extent extent) {
        std::size_t expected = column.size();
        if (extent == Extent::pixels) expected = pixels;
        if (extent == Extent::spectra) expected = spectra;
        if (extent == Extent::boundaries) expected = spectra + 1;
        if (column.size() != expected) {
            throw FormatError(path_, fmt::format("column '{}' has {} elements, expected {}", name,
                                                 column.size(), expected));
        }
    });
    expect_offsets(path_, "offset", columns_.offset, pixels);
    expect_offsets(path_, "file_offset", columns_.file_offset, columns_.file_bytes.size());
    expect_offsets(path_, "object_name_offset", columns_.object_name_offset,
                   columns_.object_name_bytes.size());
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

void write_shard(const std::string& path, const ShardColumns<Vector>& columns) {
    std::vector<weights::NamedView> tensors;
    for_each_column(columns, [&]<class T>(const char* name, const std::vector<T>& column, Extent) {
        const auto size = static_cast<std::int64_t>(column.size());
        tensors.push_back({name, View(const_cast<T*>(column.data()), dtype_of_v<T>, {size})});
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
