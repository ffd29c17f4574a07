#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "kernels/core/error.h"

namespace balmer::train {

const char* name_of(Decay decay) {
    switch (decay) {
        case Decay::none:
            return "none";
        case Decay::linear:
            return "linear";
        case Decay::cosine:
            break;
    }
    return "cosine";
}

Decay decay_named(const std::string& name) {
    for (const Decay decay : {Decay::none, Decay::linear, Decay::cosine}) {
        if (name == name_of(decay)) return decay;
    }
    throw UsageError(fmt::format("--schedule: '{}' is not one of none, linear, cosine", name));
}

std::int64_t warmup_steps(double warmup, std::int64_t total_steps) {
    if (!std::isfinite(warmup) || warmup < 0.0) {
        throw UsageError(
            fmt::format("--warmup: {} is not a number of steps or a fraction", warmup));
    }
    if (warmup < 1.0) return std::llround(warmup * static_cast<double>(total_steps));
    if (warmup != std::floor(warmup)) {
        throw UsageError(
            fmt::format("--warmup: {} is neither a fraction below 1 nor whole steps", warmup));
    }
    return static_cast<std::int64_t>(warmup);
}

double learning_rate(const Schedule& schedule, std::int64_t step) {
    if (step < schedule.warmup_steps) {
        return schedule.peak * static_cast<double>(step + 1) /
               static_cast<double>(schedule.warmup_steps);
    }
    const std::int64_t length =
        std::max<std::int64_t>(1, schedule.total_steps - schedule.warmup_steps);
    const double progress = std::clamp(
        static_cast<double>(step - schedule.warmup_steps) / static_cast<double>(length), 0.0, 1.0);
    switch (schedule.decay) {
        case Decay::none:
            return schedule.peak;
        case Decay::linear:
            return schedule.peak * (1.0 - progress);
        case Decay::cosine:
            break;
    }
    return schedule.peak * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace balmer::train
