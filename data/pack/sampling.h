#pragma once
// Which spectra of a packed set are used, and how often.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/pack/packed_set.h"

namespace balmer::data {

/// uniform: an epoch has every row once.
/// weighted: an epoch has as many rows as the uniform one; row i, of weight w_i, comes N w_i / sum
/// w
///     times on average over the epochs, and in each epoch less than 2 times more or less often.
/// class_balanced: weighted by 1 / (number of rows of the row's class), so that all classes are
///     seen equally often. Rows without a class are one more class.
enum class SamplingMode : std::uint8_t { uniform, weighted, class_balanced };

/// "uniform", "weighted", "class-balanced".
const char* name_of(SamplingMode mode);
/// The inverse; UsageError naming the three for anything else.
SamplingMode sampling_mode_named(const std::string& name);

struct Sampling {
    SamplingMode mode = SamplingMode::uniform;
    /// Weight of a row where the mode is `weighted`: finite, not negative.
    std::function<double(const PackedSet& set, std::int64_t row)> weight = {};
    /// Use at most this many objects of every class and survey, in each split; 0: all. The paper's
    /// "Med" sets have 200,000. An object's spectra stay together; rows without a class or survey
    /// count as a class or survey of their own.
    std::int64_t max_per_class = 0;
};

/// The rows of the splits, in the order of the set, of which `sampling` leaves out some: which
/// objects remain is a function of (set, max_per_class, seed), the same whatever the splits asked
/// for. UsageError for a negative limit.
std::vector<std::int64_t> rows_of(const PackedSet& set, std::span<const Split> splits,
                                  const Sampling& sampling, std::uint64_t seed);

/// The running sums of the rows' weights, to draw from; empty where the mode is `uniform`.
/// UsageError for a weight that is negative or not finite, and where all are 0.
std::vector<double> cumulative_weights(const PackedSet& set, std::span<const std::int64_t> rows,
                                       const Sampling& sampling);

}  // namespace balmer::data
