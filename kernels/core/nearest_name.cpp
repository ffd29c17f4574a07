#include "kernels/core/nearest_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace balmer {
namespace {

/// Levenshtein's distance, one row of its table at a time.
std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
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
