#include "data/pack/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

#include "kernels/core/error.h"
#include "kernels/core/random.h"

namespace balmer::data {
namespace {

constexpr std::array<const char*, 3> names = {"uniform", "weighted", "class-balanced"};
constexpr std::uint64_t limit_stream = 0x6c696d6974000000;  // of random numbers: "limit"

/// What the limit counts in.
using Cell = std::tuple<Split, std::int32_t, std::int32_t>;

Cell cell_of(const PackedSet& set, std::int64_t row) {
    return {set.split(row), set.survey_index(row), set.class_index(row)};
}

/// An object's place in the line for its cell: those with the lowest ones are used.
std::uint64_t place_in_line(const PackedSet& set, std::int64_t row, std::uint64_t seed) {
    const auto words = philox(seed, limit_stream, static_cast<std::uint64_t>(set.group(row)));
    return (std::uint64_t{words[1]} << 32) | words[0];
}

void keep_at_most(const PackedSet& set, std::int64_t limit, std::uint64_t seed,
                  std::vector<std::int64_t>& rows) {
    std::map<Cell, std::vector<std::uint64_t>> lines;
    for (const std::int64_t row : rows) {
        lines[cell_of(set, row)].push_back(place_in_line(set, row, seed));
    }
    std::map<Cell, std::uint64_t> last;
    for (auto& [cell, line] : lines) {
        std::sort(line.begin(), line.end());
        line.erase(std::unique(line.begin(), line.end()), line.end());
        last[cell] = line[std::min(line.size(), static_cast<std::size_t>(limit)) - 1];
    }
    std::erase_if(rows, [&](std::int64_t row) {
        return place_in_line(set, row, seed) > last.at(cell_of(set, row));
    });
}

std::vector<double> class_weights(const PackedSet& set, std::span<const std::int64_t> rows) {
    const auto count_of = [&](auto& counts, std::int64_t row) -> double& {
        return counts[static_cast<std::size_t>(set.class_index(row) + 1)];
    };
    std::vector<double> counts(set.manifest().classes.size() + 1);
    for (const std::int64_t row : rows) count_of(counts, row) += 1.0;
    std::vector<double> weights;
    weights.reserve(rows.size());
    for (const std::int64_t row : rows) weights.push_back(1.0 / count_of(counts, row));
    return weights;
}

std::vector<double> own_weights(const PackedSet& set, std::span<const std::int64_t> rows,
                                const Sampling& sampling) {
    if (!sampling.weight) throw UsageError("weighted sampling: no weight is given");
    std::vector<double> weights;
    weights.reserve(rows.size());
    for (const std::int64_t row : rows) {
        const double weight = sampling.weight(set, row);
        if (!std::isfinite(weight) || weight < 0.0) {
            throw UsageError(fmt::format("weighted sampling: row {} has weight {}", row, weight));
        }
        weights.push_back(weight);
    }
    return weights;
}

}  // namespace

const char* name_of(SamplingMode mode) {
    return names[static_cast<std::size_t>(mode)];
}

SamplingMode sampling_mode_named(const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) return static_cast<SamplingMode>(i);
    }
    throw UsageError("sampling '" + name + "' is none of uniform, weighted, class-balanced");
}

std::vector<std::int64_t> rows_of(const PackedSet& set, std::span<const Split> splits,
                                  const Sampling& sampling, std::uint64_t seed) {
    if (sampling.max_per_class < 0) {
        throw UsageError(fmt::format("sampling: at most {} objects of a class and survey",
                                     sampling.max_per_class));
    }
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        if (std::find(splits.begin(), splits.end(), set.split(row)) != splits.end()) {
            rows.push_back(row);
        }
    }
    if (sampling.max_per_class > 0) keep_at_most(set, sampling.max_per_class, seed, rows);
    return rows;
}

std::vector<double> cumulative_weights(const PackedSet& set, std::span<const std::int64_t> rows,
                                       const Sampling& sampling) {
    if (sampling.mode == SamplingMode::uniform) return {};
    std::vector<double> sums = sampling.mode == SamplingMode::class_balanced
                                   ? class_weights(set, rows)
                                   : own_weights(set, rows, sampling);
    double sum = 0.0;
    for (double& weight : sums) weight = sum += weight;
    if (!(sum > 0.0)) throw UsageError("weighted sampling: every weight is 0");
    return sums;
}

}  // namespace balmer::data
