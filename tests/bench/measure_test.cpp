// The rules of measurement, and that a wrong output is never timed.

#include "bench/measure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bench/ceilings.h"
#include "bench/operands.h"
#include "bench/runner.h"
#include "kernels/core/error.h"
#include "kernels/elementwise/elementwise.h"

namespace balmer::bench {
namespace {

TEST(Measure, MedianAndQuartilesInterpolate) {
    const Timing timing = summarise({5.0, 1.0, 3.0, 2.0});
    EXPECT_DOUBLE_EQ(timing.median, 2.5);
    EXPECT_DOUBLE_EQ(timing.low, 1.75);
    EXPECT_DOUBLE_EQ(timing.high, 3.5);
    EXPECT_DOUBLE_EQ(timing.fastest, 1.0);
    EXPECT_EQ(timing.repetitions, 4);
    EXPECT_THROW(summarise({}), UsageError);
}

TEST(Measure, RotatedOperandsExceedTheCache) {
    constexpr std::size_t cache = 60 << 20;
    for (const std::size_t bytes : {std::size_t{1} << 22, std::size_t{1} << 25, cache}) {
        EXPECT_GE(static_cast<std::size_t>(rotations(bytes, cache)) * bytes, 3 * cache);
    }
    EXPECT_EQ(rotations(std::size_t{1} << 32, cache), 2);
    EXPECT_EQ(rotations(1, cache), 64);
}

TEST(Measure, EveryOperandSetIsUsedAsOftenAsTheOthers) {
    EXPECT_EQ(calls_per_repetition(1e-5, 3, 2e-3) % 3, 0);
    EXPECT_GE(calls_per_repetition(1e-5, 3, 2e-3) * 1e-5, 1.9e-3);
    EXPECT_EQ(calls_per_repetition(1.0, 5, 2e-3), 5);
    EXPECT_LE(calls_per_repetition(1e-12, 2, 1.0), 1000);
}

TEST(Measure, ContestantCallsEverySetInTurn) {
    const auto device = open_device("cpu");
    std::vector<int> counts(3, 0);
    std::vector<std::function<void()>> calls;
    for (int& count : counts) calls.push_back([&count] { ++count; });
    Contestant contestant(*device, calls, /*warm_up=*/0.0, /*repetition=*/1e-6);
    counts.assign(3, 0);
    EXPECT_GT(contestant.repeat(), 0.0);
    EXPECT_EQ(counts[0], contestant.calls() / 3);
    EXPECT_EQ(counts[0], counts[1]);
    EXPECT_EQ(counts[0], counts[2]);
}

TEST(Operands, ASmallerBatchIsTheBeginningOfALargerOne) {
    const auto device = open_device("cpu");
    Operands one(*device, DType::f32, DType::bf16, 7);
    Operands many(*device, DType::bf16, DType::bf16, 7);
    one.normal({3});
    many.normal({5});
    const View small = one.normal({1, 1000});
    const View large = many.normal({2000, 1000});
    const Output a{.name = "small", .view = small};
    const Output b{.name = "large", .view = large};
    EXPECT_EQ(relative_difference(*device, a, *device, b, 1000), 0.0);
}

TEST(Operands, LongOnesAreRandomThroughout) {
    const auto device = open_device("cpu");
    Operands operands(*device, DType::f32, DType::f32, 1);
    const View view = operands.normal({5'000'000}, 2.0, 1.0);
    const std::vector<double> end = to_host(*device, view, 4'500'000, 500'000);
    double sum = 0.0;
    double squares = 0.0;
    for (const double value : end) {
        sum += value;
        squares += (value - 1.0) * (value - 1.0);
    }
    EXPECT_NEAR(sum / 5e5, 1.0, 0.02);
    EXPECT_NEAR(std::sqrt(squares / 5e5), 2.0, 0.02);
}

TEST(Ceilings, TheLargerOfArithmeticAndBytesBinds) {
    const Ceilings ceilings{.flops_per_second = 100.0, .bytes_per_second = 10.0};
    EXPECT_DOUBLE_EQ(ceilings.floor_of({1000.0, 10.0}), 10.0);
    EXPECT_STREQ(ceilings.bound_of({1000.0, 10.0}), "gemm");
    EXPECT_DOUBLE_EQ(ceilings.floor_of({10.0, 1000.0}), 100.0);
    EXPECT_STREQ(ceilings.bound_of({10.0, 1000.0}), "copy");
}

/// Said to be a copy: adds `error` in batches above one, and leaves the last `forgotten` elements
/// out.
BenchCase copy_with(double error, std::size_t forgotten) {
    return {.name = "copy",
            .model = "test",
            .shape = "",
            .batch = 2,
            .dtype = DType::f32,
            .work = {0.0, 8e3},
            .make =
                [error, forgotten](Operands& operands, Peers*, std::int64_t batch) {
                    const View x = operands.normal({batch, 1000});
                    const View out = operands.output({batch, 1000});
                    return Calls{
                        .own = {.run =
                                    [=] {
                                        const auto count = static_cast<std::size_t>(x.numel());
                                        for (std::size_t i = 0; i + forgotten < count; ++i) {
                                            out.as<float>()[i] =
                                                x.as<float>()[i] +
                                                static_cast<float>(error *
                                                                   static_cast<double>(batch - 1));
                                        }
                                    },
                                .outputs = {{.name = "out", .view = out}}},
                        .peer = {}};
                },
            .tolerance = 1e-6};
}

TEST(PreparedCase, ARightOutputIsTimed) {
    const auto device = open_device("cpu");
    const BenchCase good = copy_with(0.0, 0);
    PreparedCase prepared(*device, nullptr, good, {.repetitions = 3, .warm_up = 0.0});
    for (int i = 0; i < 3; ++i) prepared.repeat();
    const Row row = prepared.row();
    EXPECT_EQ(row.own.repetitions, 3);
    EXPECT_GT(row.bytes_per_second(), 0.0);
    EXPECT_EQ(row.reference_difference, 0.0);
}

TEST(PreparedCase, AWrongOutputIsNotTimed) {
    const auto device = open_device("cpu");
    const BenchCase wrong = copy_with(0.1, 0);
    EXPECT_THROW(PreparedCase(*device, nullptr, wrong, {}), NumericalError);
}

TEST(PreparedCase, AnOutputThatWasNotWrittenIsNotTimed) {
    const auto device = open_device("cpu");
    const BenchCase unwritten = copy_with(0.0, 1);
    EXPECT_THROW(PreparedCase(*device, nullptr, unwritten, {}), NumericalError);
}

}  // namespace
}  // namespace balmer::bench
