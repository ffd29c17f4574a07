#pragma once
// Columns and extensions of errors in files without a survey's own rules.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace balmer::data {

enum class VarianceMeaning : std::uint8_t { inverse_variance, variance, standard_deviation };

/// What an array of that name (any case) holds: IVAR or INVVAR; VAR or VARIANCE; ERR, ERROR, SIGMA,
/// FLUX_ERR, SIG, STDDEV or UNCERTAINTY; empty for others.
std::optional<VarianceMeaning> variance_meaning(std::string_view name);

/// The inverse variance of each pixel; 0 where an error is 0, negative or no number.
std::vector<float> inverse_variance(std::vector<float> values, VarianceMeaning meaning);

}  // namespace balmer::data
