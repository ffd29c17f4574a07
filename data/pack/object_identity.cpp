#include "data/pack/object_identity.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <unordered_map>

namespace balmer::data {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool has_position(const ObjectKey& key) {
    return key.ra && key.dec && std::isfinite(*key.ra) && std::abs(*key.dec) <= 90.0;
}

std::uint64_t hash_of(std::string_view text) {
    return XXH3_64bits(text.data(), text.size());
}

/// Hash of one member. Positions are rounded to 1e-4 degrees so that a last digit that differs
/// between two versions of a file does not matter; files count by their own name only.
std::uint64_t member_hash(const ObjectKey& key, const std::string& name) {
    if (has_position(key)) {
        const std::array<std::int64_t, 2> rounded = {std::llround(*key.ra * 1e4),
                                                     std::llround(*key.dec * 1e4)};
        return XXH3_64bits(rounded.data(), sizeof(rounded));
    }
    if (!name.empty()) return hash_of("name:" + name);
    return hash_of("file:" + key.file.substr(key.file.find_last_of('/') + 1));
}

class DisjointSets {
  public:
    explicit DisjointSets(std::size_t size) : parent_(size) {
        std::iota(parent_.begin(), parent_.end(), std::size_t{0});
    }
    std::size_t root(std::size_t i) {
        while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
        return i;
    }
    void unite(std::size_t a, std::size_t b) {
        a = root(a);
        b = root(b);
        parent_[std::max(a, b)] = std::min(a, b);
    }

  private:
    std::vector<std::size_t> parent_;
};

/// Links points of the unit sphere that are close, through a hash table of cubes whose side is the
/// linking length: friends are in the same or in touching cubes.
class SkyLinker {
  public:
    SkyLinker(DisjointSets& sets, std::size_t size) : sets_(sets), points_(size), next_(size) {}

    void insert(std::size_t index, double ra, double dec) {
        constexpr double degree = std::numbers::pi / 180.0;
        const Point point = {std::cos(dec * degree) * std::cos(ra * degree),
                             std::cos(dec * degree) * std::sin(ra * degree),
                             std::sin(dec * degree)};
        points_[index] = point;
        bool is_new_position = true;
        for (int neighbour = 0; neighbour < 27; ++neighbour) {
            const auto found = heads_.find(cell(point, neighbour));
            if (found == heads_.end()) continue;
            for (std::size_t other = found->second; other != none; other = next_[other]) {
                const double distance = squared_distance(point, points_[other]);
                if (distance <= chord_ * chord_) sets_.unite(index, other);
                if (distance == 0.0) {
                    is_new_position = false;
                    break;
                }
            }
        }
        if (!is_new_position) return;  // keeps the lists short where a position recurs often
        const auto [head, inserted] = heads_.try_emplace(cell(point, centre), none);
        next_[index] = head->second;
        head->second = index;
    }

  private:
    using Point = std::array<double, 3>;
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
    static constexpr int centre = 13;

    static double squared_distance(const Point& a, const Point& b) {
        const double x = a[0] - b[0];
        const double y = a[1] - b[1];
        const double z = a[2] - b[2];
        return x * x + y * y + z * z;
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

    const double chord_ =
        2.0 * std::sin(0.5 * object_radius_arcsec / 3600.0 * std::numbers::pi / 180.0);
    DisjointSets& sets_;
    std::vector<Point> points_;
    std::vector<std::size_t> next_;
    std::unordered_map<std::uint64_t, std::size_t> heads_;
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

ObjectGroups group_objects(std::span<const ObjectKey> keys) {
    DisjointSets sets(keys.size());
    SkyLinker linker(sets, keys.size());
    std::unordered_map<std::string, std::size_t> first_of_name;
    std::vector<std::uint64_t> hashes(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto& key = keys[i];
        const std::string name = normalised_object_name(key.name);
        hashes[i] = member_hash(key, name);
        if (has_position(key)) {
            linker.insert(i, *key.ra, *key.dec);
        } else {
            const std::string label = name.empty() ? "file:" + key.file : "name:" + name;
            sets.unite(i, first_of_name.try_emplace(label, i).first->second);
        }
    }
    ObjectGroups groups;
    groups.group.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::size_t root = sets.root(i);  // the smallest member, so it comes first
        if (root == i) {
            groups.group[i] = static_cast<std::int64_t>(groups.identity.size());
            groups.identity.push_back(hashes[i]);
        } else {
            groups.group[i] = groups.group[root];
            auto& identity = groups.identity[groups.group[i]];
            identity = std::min(identity, hashes[i]);
        }
    }
    return groups;
}

}  // namespace balmer::data
