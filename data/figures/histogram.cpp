#include "data/figures/histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/core/error.h"

namespace balmer::data {

Histogram::Histogram(double minimum, double maximum, int bins)
    : minimum_(minimum), maximum_(maximum) {
    if (!(minimum < maximum) || bins < 1) {
        throw UsageError(fmt::format("histogram: {} bins from {} to {}", bins, minimum, maximum));
    }
    counts_.resize(static_cast<std::size_t>(bins));
}

void Histogram::add(double value, std::int64_t count) {
    if (std::isnan(value)) return;
    if (value < minimum_) {
        below_ += count;
    } else if (value > maximum_) {
        above_ += count;
    } else {
        const double bins = static_cast<double>(counts_.size());
        const double position = (value - minimum_) / (maximum_ - minimum_) * bins;
        const auto bin = static_cast<std::size_t>(position);
        counts_[std::min(bin, counts_.size() - 1)] += count;  // the maximum is in the last bin
    }
}

std::int64_t Histogram::total() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
}

double Histogram::left(std::size_t bin) const {
    return minimum_ +
           (maximum_ - minimum_) * static_cast<double>(bin) / static_cast<double>(counts_.size());
}

std::vector<double> linear_ticks(double minimum, double maximum, int about) {
    const double rough = (maximum - minimum) / std::max(1, about);
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    double step = 10.0 * power;
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor * power >= rough) {
            step = factor * power;
            break;
        }
    }
    std::vector<double> ticks;
    const auto first = static_cast<std::int64_t>(std::ceil(minimum / step - 1e-9));
    for (std::int64_t i = first; static_cast<double>(i) * step <= maximum + 1e-9 * step; ++i) {
        ticks.push_back(static_cast<double>(i) * step);
    }
    return ticks;
}

std::vector<double> log_ticks(double minimum, double maximum, int about) {
    const int first = static_cast<int>(std::ceil(std::log10(minimum) - 1e-9));
    const int last = static_cast<int>(std::floor(std::log10(maximum) + 1e-9));
    const int step = std::max(1, (last - first + about) / std::max(1, about));
    std::vector<double> ticks;
    for (int power = first; power <= last; power += step) ticks.push_back(std::pow(10.0, power));
    return ticks;
}

}  // namespace balmer::data
