#include "nn/initialise.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/core/parallel.h"
#include "kernels/core/random.h"
#include "kernels/elementwise/elementwise.h"

namespace balmer::nn {
namespace {

constexpr std::int64_t grain = 4096;

/// Uniform in (0, 1), never an end.
double unit_interval(std::uint32_t word) {
    return (word + 0.5) * 0x1.0p-32;
}

/// The first of a sequence of normal numbers (Box-Muller) that lies within two deviations. Attempts
/// of one element are 2^40 counters apart.
double truncated_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t element) {
    for (std::uint64_t attempt = 0;; ++attempt) {
        const auto words = philox(seed, stream, element + (attempt << 40));
        for (const std::size_t i : {0, 2}) {
            const double radius = std::sqrt(-2.0 * std::log(unit_interval(words[i])));
            const double angle = 2.0 * std::numbers::pi * unit_interval(words[i + 1]);
            for (const double draw : {radius * std::cos(angle), radius * std::sin(angle)}) {
                if (std::abs(draw) <= 2.0) return draw;
            }
        }
    }
}

template <class Draw>
void fill(const Tensor& parameter, const Draw& draw) {
    std::vector<float> values(static_cast<std::size_t>(parameter.numel()));
    parallel_for(parameter.context(), parameter.numel(), grain, [&](std::int64_t i) {
        values[static_cast<std::size_t>(i)] =
            static_cast<float>(draw(static_cast<std::uint64_t>(i)));
    });
    assign(parameter, values);
}

}  // namespace

void assign(const Tensor& parameter, std::span<const float> values) {
    const Tensor source = Tensor::from(values, parameter.shape(), parameter.context());
    kernels::copy(parameter.context(), {source.view(), parameter.view()});
    parameter.mark_changed();
}

void fill_truncated_normal(const Tensor& parameter, double deviation, std::uint64_t seed,
                           std::uint64_t stream) {
    fill(parameter, [=](std::uint64_t i) { return deviation * truncated_normal(seed, stream, i); });
}

void fill_uniform(const Tensor& parameter, double limit, std::uint64_t seed, std::uint64_t stream) {
    fill(parameter, [=](std::uint64_t i) {
        return limit * (2.0 * unit_interval(philox(seed, stream, i)[0]) - 1.0);
    });
}

}  // namespace balmer::nn
