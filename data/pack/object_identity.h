#pragma once
// Which spectra are of one object (FORMATS, definitions): friends of friends within 3 arcsec on the
// sky across all surveys; without coordinates the same normalised name; else the same file.

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace balmer::data {

/// What tells an object, in 32 bytes: of millions of spectra all are in memory at once.
struct ObjectKey {
    /// Bits of right ascension and declination (degrees), or without a position a 128-bit hash of
    /// the normalised name, or without one either, of the file's path.
    std::array<std::uint64_t, 2> place{};
    std::uint64_t member = 0;  ///< hash for the identity of the group
    bool has_position = false;

    double ra() const { return std::bit_cast<double>(place[0]); }
    double dec() const { return std::bit_cast<double>(place[1]); }
};

/// The key of a spectrum: coordinates in degrees, a name (may be empty), the file it came from.
ObjectKey object_key(std::optional<double> ra, std::optional<double> dec, std::string_view name,
                     std::string_view file);

struct ObjectGroups {
    /// Group of each key, numbered from 0 in order of first appearance.
    std::vector<std::int64_t> group;
    /// A 64-bit value for each group that depends on its members alone, not on their order nor on
    /// other groups; equal members on another machine give the same value.
    std::vector<std::uint64_t> identity;
};

/// Linking length of friends of friends.
inline constexpr double object_radius_arcsec = 3.0;

/// Takes about 25 bytes a key besides the result. Error for 2^32 keys or more.
ObjectGroups group_objects(std::span<const ObjectKey> keys);

/// Upper case without spaces, underscores or leading zeros of numbers: "HD 002857" and "hd2857"
/// give "HD2857". A space between two digits stays ("BD+01 123" is not "BD+011 23").
std::string normalised_object_name(std::string_view name);

}  // namespace balmer::data
