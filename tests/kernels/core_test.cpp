// kernels/core: dtypes, shapes, views, buffers, random numbers, the choice table.

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "kernels/core/choice.h"
#include "kernels/core/nearest_name.h"
#include "kernels/core/parallel.h"
#include "kernels/core/random.h"
#include "kernels/core/view.h"

namespace balmer {
namespace {

TEST(Bfloat16, RoundsToNearestEvenAndKeepsNan) {
    EXPECT_EQ(bfloat16(1.0F).bits, 0x3F80);
    EXPECT_EQ(bfloat16(1.0F + 0x1p-8F).bits, 0x3F80);  // tie, even below
    EXPECT_EQ(bfloat16(1.0F + 0x3p-8F).bits, 0x3F82);  // tie, even above
    EXPECT_EQ(bfloat16(1.0F + 0x1.1p-8F).bits, 0x3F81);
    EXPECT_TRUE(std::isnan(float{bfloat16(std::numeric_limits<float>::quiet_NaN())}));
    EXPECT_TRUE(std::isinf(float{bfloat16(std::numeric_limits<float>::max())}));
}

TEST(Shape, BroadcastsLikeNumpy) {
    EXPECT_EQ(broadcast_shape({3, 1, 5}, {4, 1}, "add"), (Shape{3, 4, 5}));
    EXPECT_EQ(broadcast_shape({}, {2}, "add"), (Shape{2}));
    try {
        broadcast_shape({3, 2}, {4, 1, 3}, "add");
        FAIL();
    } catch (const ShapeError& error) {
        EXPECT_STREQ(error.what(), "add: shapes [3, 2] and [4, 1, 3] do not broadcast");
    }
}

TEST(View, KnowsContiguityAndRefusesTheWrongType) {
    std::array<float, 6> values{};
    View view(values.data(), DType::f32, {2, 3});
    EXPECT_TRUE(view.is_contiguous());
    std::swap(view.shape[0], view.shape[1]);
    std::swap(view.strides[0], view.strides[1]);
    EXPECT_FALSE(view.is_contiguous());
    EXPECT_THROW(view.as<double>(), DTypeError);
    const View row = View(values.data(), DType::f32, {3}).expanded_to({2, 3}, "add");
    EXPECT_EQ(row.strides, (Strides{0, 1}));
}

// Salmon et al. 2011, known-answer vectors of the Random123 distribution (philox4x32-10).
TEST(Random, PhiloxMatchesThePublishedVectors) {
    EXPECT_EQ(philox(0, 0, 0),
              (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox(~0ULL, ~0ULL, ~0ULL),
              (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Random, SeekRepeatsTheStream) {
    Random random(7, 3);
    random.uniform();
    const auto position = random.position();
    const double next = random.normal();
    random.seek(position);
    EXPECT_EQ(random.normal(), next);
}

TEST(Parallel, CoversTheRangeAndCarriesExceptions) {
    std::vector<int> hits(1000, 0);
    parallel_for({}, 1000, 10, [&](std::int64_t i) { ++hits[i]; });
    EXPECT_EQ(std::count(hits.begin(), hits.end(), 1), 1000);
    EXPECT_THROW(parallel_for({}, 1000, 10, [](std::int64_t) { throw ShapeError("x"); }),
                 ShapeError);
}

struct Arguments {
    int value = 0;
    mutable std::string ran;
};
std::string accepts_even(const Context&, const Arguments& arguments) {
    return arguments.value % 2 == 0 ? "" : "odd value";
}
const Choice<Arguments> choices[] = {
    {"fast", accepts_even, [](const Context&, const Arguments& a) { a.ran = "fast"; }},
    {"plain", accepts_cpu<Arguments>, [](const Context&, const Arguments& a) { a.ran = "plain"; }},
};
std::string chosen(int value) {
    const Arguments arguments{value, ""};
    run_choice<Arguments>("toy", choices, {}, arguments);
    return arguments.ran;
}

TEST(Parallel, TurnsReachEveryIndexOnce) {
    Context context;
    context.threads = 3;
    for (const std::int64_t count : {0, 1, 2, 3, 100}) {
        std::vector<std::atomic<int>> times(count);
        std::atomic<int> threads = 0;
        parallel_turns(context, count, [&](const auto& next) {
            ++threads;
            for (std::int64_t i = next(); i < count; i = next()) ++times[i];
            EXPECT_EQ(next(), count);
        });
        EXPECT_LE(threads, std::min<std::int64_t>(count, 3));
        for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(times[i], 1) << count << ": " << i;
    }
}

TEST(Choice, RunsTheFirstThatAccepts) {
    EXPECT_EQ(chosen(2), "fast");
    EXPECT_EQ(chosen(3), "plain");
}

TEST(Choice, TheEnvironmentForcesOneByName) {
    setenv("BALMER_CHOICE", "other=x,toy=plain", 1);
    EXPECT_EQ(chosen(2), "plain");
    setenv("BALMER_CHOICE", "toy=fast", 1);
    EXPECT_THROW(chosen(3), DeviceError);
    setenv("BALMER_CHOICE", "toy=nothing", 1);
    EXPECT_THROW(chosen(2), UsageError);
    setenv("BALMER_CHOICE", "*=nothing", 1);
    EXPECT_EQ(chosen(2), "fast");
    unsetenv("BALMER_CHOICE");
}

TEST(NearestName, SuggestsTyposAndExchangesButNothingFarAway) {
    const std::vector<std::string> names = {"pack", "info", "map2d-norm"};
    EXPECT_EQ(nearest_name("pakc", names), "pack");
    EXPECT_EQ(nearest_name("map2d_norm", names), "map2d-norm");
    EXPECT_EQ(nearest_name("telescope", names), "");
    EXPECT_STREQ(unknown_name("command", "pak", names).what(),
                 "unknown command 'pak', did you mean 'pack'? Known: pack, info, map2d-norm");
    EXPECT_STREQ(unknown_name("command", "telescope", {"pack"}).what(),
                 "unknown command 'telescope'. Known: pack");
}

}  // namespace
}  // namespace balmer
