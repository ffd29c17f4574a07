#include "train/schedule.h"

#include <limits>

#include <gtest/gtest.h>

#include "kernels/core/error.h"

namespace balmer::train {
namespace {

TEST(Schedule, WarmsUpLinearlyFromTheFirstStep) {
    const Schedule schedule = {.peak = 1.0, .warmup_steps = 4, .total_steps = 10};
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 0.25);
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 3), 1.0);
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 4), 1.0);
}

TEST(Schedule, LinearDecayEndsAtZero) {
    const Schedule schedule = {.peak = 2.0, .warmup_steps = 0, .total_steps = 4};
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 2.0);
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 1), 1.5);
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 3), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 4), 0.0);
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 400), 0.0);
}

TEST(Schedule, CosineDecayIsHalfWayAtHalfTime) {
    const Schedule schedule = {
        .peak = 2.0, .warmup_steps = 2, .total_steps = 12, .decay = Decay::cosine};
    EXPECT_DOUBLE_EQ(learning_rate(schedule, 2), 2.0);
    EXPECT_NEAR(learning_rate(schedule, 7), 1.0, 1e-15);
    EXPECT_NEAR(learning_rate(schedule, 12), 0.0, 1e-15);
}

TEST(Schedule, WithoutDecayStaysAtThePeak) {
    const Schedule schedule = {.peak = 3.0, .total_steps = 5, .decay = Decay::none};
    EXPECT_EQ(learning_rate(schedule, 1), 3.0);
    EXPECT_EQ(learning_rate(schedule, 1000), 3.0);
}

TEST(Schedule, WarmupIsAFractionOrWholeSteps) {
    EXPECT_EQ(warmup_steps(0.05, 200), 10);
    EXPECT_EQ(warmup_steps(0.0, 200), 0);
    EXPECT_EQ(warmup_steps(30.0, 200), 30);
    EXPECT_THROW(warmup_steps(-0.1, 200), UsageError);
    EXPECT_THROW(warmup_steps(1.5, 200), UsageError);
    EXPECT_THROW(warmup_steps(std::numeric_limits<double>::quiet_NaN(), 200), UsageError);
}

TEST(Schedule, NamesReadBack) {
    for (const Decay decay : {Decay::none, Decay::linear, Decay::cosine}) {
        EXPECT_EQ(decay_named(name_of(decay)), decay);
    }
    EXPECT_THROW(decay_named("step"), UsageError);
}

}  // namespace
}  // namespace balmer::train
