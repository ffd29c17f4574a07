#include "bench/measure.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/error.h"

namespace balmer::bench {

Timing summarise(std::vector<double> seconds) {
    if (seconds.empty()) throw UsageError("summarise: no repetition was timed");
    std::sort(seconds.begin(), seconds.end());
    const auto quantile = [&](double fraction) {
        const double position = fraction * static_cast<double>(seconds.size() - 1);
        const auto below = static_cast<std::size_t>(position);
        const std::size_t above = std::min(below + 1, seconds.size() - 1);
        return std::lerp(seconds[below], seconds[above], position - std::floor(position));
    };
    return {.median = quantile(0.5),
            .low = quantile(0.25),
            .high = quantile(0.75),
            .fastest = seconds.front(),
            .repetitions = static_cast<int>(seconds.size())};
}

int rotations(std::size_t bytes, std::size_t cache_bytes, int most) {
    const std::size_t needed = 3 * cache_bytes / std::max<std::size_t>(bytes, 1) + 1;
    return static_cast<int>(std::clamp<std::size_t>(needed, 2, static_cast<std::size_t>(most)));
}

int calls_per_repetition(double seconds, int slots, double target) {
    const double wanted = std::min(target / std::max(seconds, 1e-9), 1000.0);
    const int rounds = std::max(1, static_cast<int>(wanted) / slots);
    return rounds * slots;
}

Contestant::Contestant(BenchDevice& device, std::vector<std::function<void()>> calls,
                       double warm_up, double repetition)
    : device_(device) {
    const auto slots = static_cast<int>(calls.size());
    const auto round = [calls = std::move(calls)] {
        for (const auto& call : calls) call();
    };
    device_.seconds_of(round);  // compilation and first allocations
    double total = 0.0;
    int rounds = 0;
    do {
        total += device_.seconds_of(round);
        ++rounds;
    } while (total < warm_up);
    calls_in_all_ = calls_per_repetition(total / rounds / slots, slots, repetition);
    repetition_ = device_.captured(
        [round, times = calls_in_all_ / slots] {
            for (int i = 0; i < times; ++i) round();
        },
        is_graph_);
    device_.seconds_of(repetition_);
}

double Contestant::repeat() {
    return device_.seconds_of(repetition_) / calls_in_all_;
}

}  // namespace balmer::bench
