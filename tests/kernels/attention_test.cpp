// kernels/attention against softmax(scale q k^T + mask) v and its derivatives in f64.

#include "tests/kernels/attention_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

const AttentionCase cases[] = {
    {.name = "OneToken", .batch = 1, .queries = 1, .keys = 1, .heads = 1, .depth = 1},
    {.name = "TwoTokens", .batch = 2, .queries = 2, .keys = 2, .heads = 3, .depth = 5},
    {.name = "Odd", .batch = 2, .queries = 13, .keys = 13, .heads = 3, .depth = 17},
    {.name = "Cross", .batch = 2, .queries = 7, .keys = 19, .heads = 2, .depth = 8},
    {.name = "OneQuery",
     .batch = 3,
     .queries = 1,
     .keys = 37,
     .heads = 2,
     .depth = 64,
     .alignment = Alignment::vector},
    {.name = "ViT",
     .batch = 1,
     .queries = 197,
     .keys = 197,
     .heads = 1,
     .depth = 64,
     .alignment = Alignment::vector},
    {.name = "ViTPackedOffVectors",
     .batch = 1,
     .queries = 50,
     .keys = 50,
     .heads = 2,
     .depth = 64,
     .is_packed = true},
    {.name = "ManyHeadsPacked",
     .batch = 3,
     .queries = 17,
     .keys = 17,
     .heads = 2,
     .depth = 64,
     .is_packed = true,
     .alignment = Alignment::vector},
    {.name = "ManyLongHeadsMasked",
     .batch = 3,
     .queries = 17,
     .keys = 130,
     .heads = 1,
     .depth = 32,
     .mask = Mask::scattered,
     .alignment = Alignment::vector},
    {.name = "AsLongAsShortMayBe",
     .batch = 1,
     .queries = 208,
     .keys = 208,
     .heads = 1,
     .depth = 64,
     .mask = Mask::scattered,
     .alignment = Alignment::vector},
    {.name = "TooLongForShort",
     .batch = 1,
     .queries = 209,
     .keys = 209,
     .heads = 1,
     .depth = 64,
     .is_packed = true,
     .alignment = Alignment::vector},
    {.name = "CrossFewKeys",
     .batch = 2,
     .queries = 150,
     .keys = 20,
     .heads = 1,
     .depth = 64,
     .mask = Mask::padding,
     .alignment = Alignment::vector},
    {.name = "NarrowHeads",
     .batch = 2,
     .queries = 33,
     .keys = 70,
     .heads = 2,
     .depth = 32,
     .mask = Mask::padding,
     .alignment = Alignment::vector},
    {.name = "WideHeads",
     .batch = 1,
     .queries = 75,
     .keys = 130,
     .heads = 1,
     .depth = 128,
     .mask = Mask::scattered,
     .alignment = Alignment::vector},
    {.name = "WideHeadsPacked",
     .batch = 1,
     .queries = 33,
     .keys = 33,
     .heads = 2,
     .depth = 128,
     .is_packed = true,
     .alignment = Alignment::vector},
    {.name = "WidestHeads", .batch = 1, .queries = 9, .keys = 13, .heads = 1, .depth = 150},
    {.name = "PaddedOnVectors",
     .batch = 2,
     .queries = 21,
     .keys = 37,
     .heads = 2,
     .depth = 64,
     .layout = Layout::aligned_padded},
    {.name = "OneTokenOnVectors",
     .batch = 1,
     .queries = 1,
     .keys = 1,
     .heads = 2,
     .depth = 64,
     .alignment = Alignment::vector},
    {.name = "NoKeyAtAllOnVectors",
     .batch = 2,
     .queries = 20,
     .keys = 40,
     .heads = 1,
     .depth = 64,
     .mask = Mask::all_of_the_first,
     .alignment = Alignment::vector},
    {.name = "LargeScoresOnVectors",
     .batch = 1,
     .queries = 20,
     .keys = 100,
     .heads = 1,
     .depth = 64,
     .deviation = 8.0,
     .alignment = Alignment::vector},
    {.name = "Packed",
     .batch = 2,
     .queries = 11,
     .keys = 11,
     .heads = 3,
     .depth = 8,
     .is_packed = true},
    {.name = "Padded",
     .batch = 2,
     .queries = 9,
     .keys = 10,
     .heads = 3,
     .depth = 6,
     .layout = Layout::padded},
    {.name = "ManyBlocks", .batch = 1, .queries = 519, .keys = 301, .heads = 1, .depth = 16},
    {.name = "MaskedPadding",
     .batch = 3,
     .queries = 15,
     .keys = 15,
     .heads = 2,
     .depth = 8,
     .mask = Mask::padding},
    {.name = "MaskedScattered",
     .batch = 2,
     .queries = 15,
     .keys = 33,
     .heads = 2,
     .depth = 8,
     .mask = Mask::scattered},
    {.name = "MaskedPackedLong",
     .batch = 2,
     .queries = 270,
     .keys = 270,
     .heads = 1,
     .depth = 12,
     .mask = Mask::padding,
     .is_packed = true},
    {.name = "NoKeyAtAll",
     .batch = 2,
     .queries = 6,
     .keys = 7,
     .heads = 2,
     .depth = 8,
     .mask = Mask::all_of_the_first},
    {.name = "LargeScores",
     .batch = 1,
     .queries = 20,
     .keys = 20,
     .heads = 1,
     .depth = 16,
     .deviation = 8.0},
    {.name = "EmptyBatch", .batch = 0, .queries = 4, .keys = 4, .heads = 2, .depth = 8},
};

class Attention : public ::testing::TestWithParam<AttentionCase> {};

/// A score's rounding error goes through exp: the error of a probability is that of the scores.
TEST_P(Attention, MatchesSoftmaxInF64InFullPrecision) {
    for (const DType dtype : {DType::f32, DType::f64}) {
        SameBits same_bits;
        Problem problem(GetParam(), dtype);
        const double scores = scale_of(problem.expected_log_sum_exp);
        const double unit = (16.0 + 4.0 * scores) * ulp_of(dtype);
        const auto expected = problem.expected_gradients();
        for (const Way& way : ways_for(GetParam(), cpu_choices)) {
            const Results results = run(problem, way, same_bits);
            const std::string what = std::string(name_of(dtype)) + rerun(way, "*");
            if (!results.out.empty()) {
                expect_close(results.out, problem.expected_out.values,
                             unit * scale_of(problem.value.values()), "out " + what);
                expect_close(results.log_sum_exp, problem.expected_log_sum_exp, unit,
                             "log_sum_exp " + what);
            }
            if (!results.gradients.empty()) {
                expect_close(results.gradients, expected, unit * (1.0 + 2.0 * scale_of(expected)),
                             "gradients " + what);
            }
        }
    }
}

TEST_P(Attention, InBf16IsAtMostTwiceAsWrongAsThePlainVersion) {
    SameBits same_bits;
    Problem problem(GetParam(), DType::bf16);
    const auto& expected = problem.expected_out.values;
    const auto expected_gradients = problem.expected_gradients();
    const Results plain = run(problem, {"plain", {}});
    expect_close(plain.out, expected, ulp_of(DType::bf16) * (0.01 + scale_of(expected)), "plain");
    const double log_sum_exp_tolerance =
        (16.0 + 4.0 * scale_of(problem.expected_log_sum_exp)) * ulp_of(DType::f32);
    for (const Way& way : ways_for(GetParam(), {"blocked"})) {
        const Results results = run(problem, way, same_bits);
        const std::string what = rerun(way, "*");
        if (!results.out.empty()) {
            expect_close(results.out, expected,
                         low_precision_tolerance(plain.out, expected, DType::bf16), "out" + what);
            expect_close(results.log_sum_exp, problem.expected_log_sum_exp, log_sum_exp_tolerance,
                         "log_sum_exp" + what);
        }
        if (!results.gradients.empty()) {
            expect_close(results.gradients, expected_gradients,
                         low_precision_tolerance(plain.gradients, expected_gradients, DType::bf16),
                         "gradients" + what);
        }
    }
}

TEST_P(Attention, GivesTheSameBitsWithOneThreadAndWithTwo) {
    for (const auto& choice : cpu_choices) {
        Problem problem(GetParam(), DType::f32);
        const Results one = run(problem, {choice, with_threads(1)});
        const Results two = run(problem, {choice, with_threads(2)});
        EXPECT_EQ(error_of(one.out, two.out), 0.0) << choice;
        EXPECT_EQ(error_of(one.gradients, two.gradients), 0.0) << choice;
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, Attention, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

}  // namespace
}  // namespace balmer::kernels
