#include "render/nearest_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace balmer::render {
namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row.back();
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
    const auto nearest = std::min_element(
        known.begin(), known.end(), [&name](const std::string& a, const std::string& b) {
            return edit_distance(name, a) < edit_distance(name, b);
        });
    return nearest == known.end() ? "" : *nearest;
}

UsageError unknown_name(const std::string& what, const std::string& name,
                        const std::vector<std::string>& known) {
    return UsageError(fmt::format("unknown {} '{}', did you mean '{}'? Known: {}", what, name,
                                  nearest_name(name, known), fmt::join(known, ", ")));
}

}  // namespace balmer::render
