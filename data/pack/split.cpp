#include "data/pack/split.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>

#include "kernels/core/error.h"

namespace balmer::data {
namespace {

constexpr std::array<const char*, split_count> names = {"train", "validation", "test"};

}  // namespace

const char* name_of(Split split) {
    return names[static_cast<std::size_t>(split)];
}

Split split_named(const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) return static_cast<Split>(i);
    }
    throw UsageError("split '" + name + "' is none of train, validation, test");
}

Split split_of(std::uint64_t identity, const SplitOptions& options) {
    const std::uint64_t hash = XXH3_64bits_withSeed(&identity, sizeof(identity), options.seed);
    const double position = static_cast<double>(hash >> 11) * 0x1.0p-53;
    if (position < options.train) return Split::train;
    return position < options.train + options.validation ? Split::validation : Split::test;
}

std::vector<std::uint8_t> split_by_object(const ObjectGroups& groups, const SplitOptions& options) {
    std::vector<std::uint8_t> splits;
    splits.reserve(groups.group.size());
    for (const std::int64_t group : groups.group) {
        splits.push_back(static_cast<std::uint8_t>(split_of(groups.identity[group], options)));
    }
    return splits;
}

void check_one_object_one_split(const std::string& path, std::span<const std::int64_t> group,
                                std::span<const std::uint8_t> split) {
    constexpr std::uint8_t unseen = 255;
    std::vector<std::uint8_t> seen(group.size(), unseen);
    for (std::size_t i = 0; i < group.size(); ++i) {
        if (split[i] >= split_count) {
            throw FormatError(path, fmt::format("spectrum {} has split {}, which is none of 0 "
                                                "(train), 1 (validation), 2 (test)",
                                                i, split[i]));
        }
        if (group[i] < 0 || group[i] >= static_cast<std::int64_t>(group.size())) {
            throw FormatError(path, fmt::format("spectrum {} has object {}, of {} spectra", i,
                                                group[i], group.size()));
        }
        std::uint8_t& first = seen[static_cast<std::size_t>(group[i])];
        if (first == unseen) first = split[i];
        if (first != split[i]) {
            throw FormatError(
                path, fmt::format("object {} is in two splits, {} and {} (spectrum {})", group[i],
                                  names[first], names[split[i]], i));
        }
    }
}

}  // namespace balmer::data
