#include "data/readers/variance.h"

#include <algorithm>
#include <array>
#include <utility>

#include "data/fits/fits_gate.h"

namespace balmer::data {

std::optional<VarianceMeaning> variance_meaning(std::string_view name) {
    using enum VarianceMeaning;
    static constexpr std::array<std::pair<std::string_view, VarianceMeaning>, 14> names = {
        {{"ivar", inverse_variance},
         {"invvar", inverse_variance},
         {"inverse_variance", inverse_variance},
         {"var", variance},
         {"variance", variance},
         {"err", standard_deviation},
         {"error", standard_deviation},
         {"errors", standard_deviation},
         {"flux_err", standard_deviation},
         {"flux_error", standard_deviation},
         {"sigma", standard_deviation},
         {"sig", standard_deviation},
         {"stddev", standard_deviation},
         {"uncertainty", standard_deviation}}};
    const auto found = std::find_if(names.begin(), names.end(),
                                    [&](const auto& one) { return same_name(one.first, name); });
    return found == names.end() ? std::nullopt : std::optional(found->second);
}

std::vector<float> inverse_variance(std::vector<float> values, VarianceMeaning meaning) {
    if (meaning == VarianceMeaning::inverse_variance) return values;
    for (float& value : values) {
        const double error = value;
        const double variance = meaning == VarianceMeaning::variance ? error : error * error;
        value = error > 0.0 ? static_cast<float>(1.0 / variance) : 0.0F;
    }
    return values;
}

}  // namespace balmer::data
