#pragma once
// The learning rate as a function of the step: linear warm-up, then linear or cosine decay to 0.

#include <cstdint>
#include <string>

namespace balmer::train {

enum class Decay : std::uint8_t { none, linear, cosine };

/// "none", "linear", "cosine".
const char* name_of(Decay decay);
/// UsageError naming the three for any other name.
Decay decay_named(const std::string& name);

struct Schedule {
    double peak = 1e-5;             ///< the learning rate after the warm-up
    std::int64_t warmup_steps = 0;  ///< steps 0..warmup_steps-1 rise linearly to `peak`
    std::int64_t total_steps = 1;   ///< the rate would be 0 at this step, counted from 0
    Decay decay = Decay::linear;
};

/// `warmup` < 1 is a fraction of `total_steps`, otherwise a number of steps. UsageError if it is
/// negative, not finite, or a number of steps with a fraction.
std::int64_t warmup_steps(double warmup, std::int64_t total_steps);

/// The learning rate of the update number `step`, counted from 0; the warm-up's first step already
/// moves (peak / warmup_steps).
double learning_rate(const Schedule& schedule, std::int64_t step);

}  // namespace balmer::train
