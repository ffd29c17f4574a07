#include "kernels/core/nearest_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace balmer {
namespace {

/// The fewest insertions, deletions, replacements and exchanges of neighbours from a to b.
std::size_t edit_distance(const std::string& a, const std::string& b) {
    const std::size_t columns = b.size() + 1;
    std::vector<std::size_t> table((a.size() + 1) *
                                   columns);  // (i, j): first i of a to first j of b
    const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& {
        return table[i * columns + j];
    };
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                at(i, j) = i + j;
                continue;
            }
            const std::size_t replaced = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
            at(i, j) = std::min({replaced, at(i - 1, j) + 1, at(i, j - 1) + 1});
            const bool is_exchange = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_exchange) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
        }
    }
    return table.back();
}

}  // namespace

std::string nearest_name(const std::string& given, const std::vector<std::string>& names) {
    std::string nearest;
    std::size_t least = 0;
    for (const auto& name : names) {
        const std::size_t distance = edit_distance(given, name);
        if (3 * distance > std::max(given.size(), name.size())) continue;
        if (nearest.empty() || distance < least) {
            nearest = name;
            least = distance;
        }
    }
    return nearest;
}

UsageError unknown_name(const std::string& what, const std::string& given,
                        const std::vector<std::string>& known) {
    const std::string nearest = nearest_name(given, known);
    const std::string question = nearest.empty() ? "." : ", did you mean '" + nearest + "'?";
    return UsageError(
        fmt::format("unknown {} '{}'{} Known: {}", what, given, question, fmt::join(known, ", ")));
}

}  // namespace balmer
