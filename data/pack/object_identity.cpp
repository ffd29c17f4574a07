#include "data/pack/object_identity.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "kernels/core/error.h"

namespace balmer::data {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::uint64_t hash_of(std::string_view text) {
    return XXH3_64bits(text.data(), text.size());
}

std::array<std::uint64_t, 2> long_hash_of(std::string_view text) {
    const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
    return {hash.low64, hash.high64};
}

class DisjointSets {
  public:
    explicit DisjointSets(std::size_t size) : parent_(size) {
        std::iota(parent_.begin(), parent_.end(), std::uint32_t{0});
    }
    std::uint32_t root(std::uint32_t i) {
        while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
        return i;
    }
    void unite(std::uint32_t a, std::uint32_t b) {
        a = root(a);
        b = root(b);
        parent_[std::max(a, b)] = std::min(a, b);
    }

  private:
    std::vector<std::uint32_t> parent_;
};

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

/// Lists of keys by a 64-bit value: a table of first members and the next of each. Keys of other
/// values may be in a list too; whoever walks it compares.
class Chains {
  public:
    explicit Chains(std::size_t size) : heads_(std::bit_ceil(size + 1), none), next_(size, none) {}

    void insert(std::uint64_t value, std::uint32_t index) {
        std::uint32_t& head = heads_[slot(value)];
        next_[index] = head;
        head = index;
    }
    /// Calls `visit(index)` for the members of a list until it returns true.
    template <class Visit>
    void walk(std::uint64_t value, const Visit& visit) const {
        for (std::uint32_t i = heads_[slot(value)]; i != none; i = next_[i]) {
            if (visit(i)) return;
        }
    }

  private:
    std::size_t slot(std::uint64_t value) const {
        return XXH3_64bits(&value, sizeof(value)) & (heads_.size() - 1);
    }
    std::vector<std::uint32_t> heads_;
    std::vector<std::uint32_t> next_;
};

using Point = std::array<double, 3>;

constexpr double degree = std::numbers::pi / 180.0;

Point unit_vector(const ObjectKey& key) {
    const double ra = key.ra() * degree;
    const double dec = key.dec() * degree;
    return {std::cos(dec) * std::cos(ra), std::cos(dec) * std::sin(ra), std::sin(dec)};
}

double squared_distance(const Point& a, const Point& b) {
    const double x = a[0] - b[0];
    const double y = a[1] - b[1];
    const double z = a[2] - b[2];
    return x * x + y * y + z * z;
}

/// Links what is close on the unit sphere, through lists by cubes whose side is the linking length:
/// friends are in the same or in touching cubes.
class Linker {
  public:
    explicit Linker(std::span<const ObjectKey> keys)
        : keys_(keys), sets_(keys.size()), chains_(keys.size()) {}

    void insert(std::uint32_t index) {
        if (keys_[index].has_position) {
            insert_position(index);
        } else {
            insert_label(index);
        }
    }
    std::uint32_t root(std::uint32_t index) { return sets_.root(index); }

  private:
    static constexpr int centre = 13;

    void insert_position(std::uint32_t index) {
        const ObjectKey& key = keys_[index];
        const Point point = unit_vector(key);
        bool is_new_position = true;
        for (int neighbour = 0; neighbour < 27; ++neighbour) {
            chains_.walk(cell(point, neighbour), [&](std::uint32_t other) {
                const ObjectKey& candidate = keys_[other];
                // The difference in declination is never above the distance, and costs nothing.
                constexpr double enough = 1.001 * object_radius_arcsec / 3600.0;
                if (!candidate.has_position || std::abs(candidate.dec() - key.dec()) > enough) {
                    return false;
                }
                const double distance = squared_distance(point, unit_vector(candidate));
                if (distance <= chord_ * chord_) sets_.unite(index, other);
                if (distance == 0.0) is_new_position = false;
                return distance == 0.0;
            });
        }
        // Keeps the lists short where a position recurs often.
        if (is_new_position) chains_.insert(cell(point, centre), index);
    }

    void insert_label(std::uint32_t index) {
        const ObjectKey& key = keys_[index];
        bool is_new = true;
        chains_.walk(key.place[0], [&](std::uint32_t other) {
            is_new = keys_[other].has_position || keys_[other].place != key.place;
            if (!is_new) sets_.unite(index, other);
            return !is_new;
        });
        if (is_new) chains_.insert(key.place[0], index);
    }

    /// Key of the cube at `neighbour` (0..26, 13 the point's own) of the point's cube.
    std::uint64_t cell(const Point& point, int neighbour) const {
        std::uint64_t key = 0;
        for (const double coordinate : point) {
            const auto index =
                static_cast<std::uint64_t>((coordinate + 1.0) / chord_ + 2.0) + neighbour % 3 - 1;
            key = (key << 20) | index;
            neighbour /= 3;
        }
        return key;
    }

    const double chord_ = 2.0 * std::sin(0.5 * object_radius_arcsec / 3600.0 * degree);
    std::span<const ObjectKey> keys_;
    DisjointSets sets_;
    Chains chains_;
};

}  // namespace

std::string normalised_object_name(std::string_view name) {
    std::string result;
    bool after_space = false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char c = name[i];
        if (c == ' ' || c == '_' || c == '\t') {
            after_space = true;
            continue;
        }
        const bool starts_number = is_digit(c) && (result.empty() || after_space ||
                                                   !(is_digit(name[i - 1]) || name[i - 1] == '.'));
        if (starts_number && c == '0') {
            // Leading zeros go, the last digit of the number stays.
            while (i + 1 < name.size() && name[i] == '0' && is_digit(name[i + 1])) ++i;
        }
        if (after_space && !result.empty() && is_digit(result.back()) && is_digit(name[i])) {
            result += ' ';
        }
        after_space = false;
        const char kept = name[i];
        result += kept >= 'a' && kept <= 'z' ? static_cast<char>(kept - 'a' + 'A') : kept;
    }
    return result;
}

ObjectKey object_key(std::optional<double> ra, std::optional<double> dec, std::string_view name,
                     std::string_view file) {
    ObjectKey key;
    key.has_position = ra && dec && std::isfinite(*ra) && std::abs(*dec) <= 90.0;
    if (key.has_position) {
        key.place = {std::bit_cast<std::uint64_t>(*ra), std::bit_cast<std::uint64_t>(*dec)};
        // Rounded to 1e-4 degrees, so that a last digit that differs between two versions of a file
        // does not matter.
        const std::array<std::int64_t, 2> rounded = {std::llround(*ra * 1e4),
                                                     std::llround(*dec * 1e4)};
        key.member = XXH3_64bits(rounded.data(), sizeof(rounded));
    } else if (const std::string normal = normalised_object_name(name); !normal.empty()) {
        key.place = long_hash_of("name:" + normal);
        key.member = hash_of("name:" + normal);
    } else {
        const std::string path(file);
        key.place = long_hash_of("file:" + path);
        // By its own name only: the folder is another on another machine.
        key.member = hash_of("file:" + path.substr(path.find_last_of('/') + 1));
    }
    return key;
}

ObjectGroups group_objects(std::span<const ObjectKey> keys) {
    if (keys.size() >= none) throw Error("more than 2^32 spectra in one packed set");
    const auto size = static_cast<std::uint32_t>(keys.size());
    Linker linker(keys);
    for (std::uint32_t i = 0; i < size; ++i) linker.insert(i);
    ObjectGroups groups;
    groups.group.resize(size);
    for (std::uint32_t i = 0; i < size; ++i) {
        const std::uint32_t root = linker.root(i);  // the smallest member, so it comes first
        if (root == i) {
            groups.group[i] = static_cast<std::int64_t>(groups.identity.size());
            groups.identity.push_back(keys[i].member);
        } else {
            groups.group[i] = groups.group[root];
            auto& identity = groups.identity[groups.group[i]];
            identity = std::min(identity, keys[i].member);
        }
    }
    return groups;
}

}  // namespace balmer::data
