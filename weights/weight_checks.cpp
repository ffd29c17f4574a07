#include "weights/weight_checks.h"

#include <fmt/format.h>

#include <cmath>
#include <span>
#include <vector>

#include "kernels/core/error.h"
#include "weights/strict_json.h"

namespace balmer::weights {
namespace {

/// Adds "heading: item, item" to `parts` unless there are no items.
void add_part(std::vector<std::string>& parts, const char* heading,
              const std::vector<std::string>& items) {
    if (!items.empty()) parts.push_back(fmt::format("{}: {}", heading, fmt::join(items, ", ")));
}

}  // namespace

void compare_names(const std::string& path, const NamedShapes& expected, const NamedShapes& found) {
    std::vector<std::string> missing;
    std::vector<std::string> extra;
    std::vector<std::string> misshapen;
    for (const auto& [name, shape] : expected) {
        const auto match = found.find(name);
        if (match == found.end()) {
            missing.push_back(in_quotes(name) + " " + to_string(shape));
        } else if (!(match->second == shape)) {
            misshapen.push_back(fmt::format("{} expected {} got {}", in_quotes(name),
                                            to_string(shape), to_string(match->second)));
        }
    }
    for (const auto& [name, shape] : found) {
        if (!expected.contains(name)) extra.push_back(in_quotes(name) + " " + to_string(shape));
    }
    std::vector<std::string> parts;
    add_part(parts, "missing", missing);
    add_part(parts, "not in the model", extra);
    add_part(parts, "of another shape", misshapen);
    if (parts.empty()) return;
    throw FormatError(path,
                      fmt::format("the tensors do not fit the model; {}", fmt::join(parts, "; ")));
}

void expect_finite(const std::string& path, const std::string& name, const View& view) {
    expect_contiguous(view, "expect_finite", in_quotes(name).c_str());
    dispatch_floating(view.dtype, "expect_finite", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Number = accumulator_t<T>;
        const std::span<const T> values(view.as<T>(), static_cast<std::size_t>(view.numel()));
        std::size_t bad = 0;
        for (const T value : values) bad += std::isfinite(static_cast<Number>(value)) ? 0 : 1;
        if (bad == 0) return;
        std::size_t first = 0;
        while (std::isfinite(static_cast<Number>(values[first]))) ++first;
        const char* kind = std::isnan(static_cast<Number>(values[first])) ? "NaN" : "infinity";
        throw FormatError(path, fmt::format("tensor {} holds {} at element {} ({} of {} values are "
                                            "not finite)",
                                            in_quotes(name), kind, first, bad, values.size()));
    });
}

}  // namespace balmer::weights
