#pragma once
// Training, validation and test set: split by object, so that repeats of one object stay together.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/pack/object_identity.h"

namespace balmer::data {

enum class Split : std::uint8_t { train = 0, validation = 1, test = 2 };
inline constexpr int split_count = 3;

/// "train", "validation", "test".
const char* name_of(Split split);
/// The inverse; UsageError naming the three for anything else.
Split split_named(const std::string& name);

struct SplitOptions {
    double train = 0.6;
    double validation = 0.2;  ///< the rest is the test set
    std::uint64_t seed = 42;
};

/// The split of an object: a hash of its identity and the seed, so that adding other objects moves
/// none.
Split split_of(std::uint64_t identity, const SplitOptions& options = {});

/// The split of every key of `groups`.
std::vector<std::uint8_t> split_by_object(const ObjectGroups& groups,
                                          const SplitOptions& options = {});

/// FormatError naming `path` and the object if one group has spectra in two splits, or if a value
/// is no split (FAULTS 31) or no group: groups are numbered 0..n-1, of at most as many as spectra.
void check_one_object_one_split(const std::string& path, std::span<const std::int64_t> group,
                                std::span<const std::uint8_t> split);

}  // namespace balmer::data
