// What attention does with masks, NaN, infinities and empty inputs, what its implementations
// accept, and its errors.

#include <algorithm>

#include "tests/kernels/attention_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

/// The same small problem for every implementation: for the general ones, and for those that want
/// bf16, a head dimension of 64 and aligned rows.
void for_each_precision(AttentionCase item, const std::function<void(Problem&)>& body) {
    item.depth = 8;
    Problem general(item, DType::f32);
    body(general);
    item.depth = 64;
    item.alignment = Alignment::vector;
    Problem fast(item, DType::bf16);
    body(fast);
}

TEST(AttentionValues, ARowWithoutKeysGivesZeroAndNoGradient) {
    const AttentionCase item{.name = "NoKey",
                             .batch = 2,
                             .queries = 3,
                             .keys = 4,
                             .heads = 1,
                             .depth = 8,
                             .mask = Mask::all_of_the_first};
    for_each_precision(item, [](Problem& problem) {
        const auto count = static_cast<std::size_t>(3 * problem.item.depth);
        for (const Way& way : ways_of(cpu_choices, device_choices)) {
            const Results results = run(problem, way);
            if (results.out.empty()) continue;
            for (std::size_t i = 0; i < count; ++i) {
                EXPECT_EQ(results.out[i], 0.0) << rerun(way, "*");
                EXPECT_EQ(results.gradients[i], 0.0) << rerun(way, "*");
            }
            for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(results.log_sum_exp[i], -infinity);
        }
    });
}

TEST(AttentionValues, WhatIsMaskedMayBeNan) {
    const AttentionCase item{.name = "MaskedNan",
                             .batch = 1,
                             .queries = 5,
                             .keys = 20,
                             .heads = 1,
                             .depth = 8,
                             .mask = Mask::scattered};
    for_each_precision(item, [](Problem& problem) {
        auto keys = problem.key.values();
        auto values = problem.value.values();
        for (std::int64_t i = 0; i < problem.item.depth; ++i) keys[i] = values[i] = nan;  // masked
        problem.key.set(keys);
        problem.value.set(values);
        const double unit = problem.key.dtype() == DType::f32 ? 1e-5 : 0.02;
        for (const Way& way : ways_of(cpu_choices, device_choices)) {
            const Results results = run(problem, way);
            if (results.out.empty()) continue;
            expect_close(results.out, problem.expected_out.values, unit, "out" + rerun(way, "*"));
            expect_close(results.gradients, problem.expected_gradients(), 10.0 * unit,
                         "gradients" + rerun(way, "*"));
        }
    });
}

TEST(AttentionValues, NanOfAVisibleKeyReachesEveryQueryOfItsHead) {
    const AttentionCase item{
        .name = "Nan", .batch = 1, .queries = 5, .keys = 20, .heads = 2, .depth = 8};
    for_each_precision(item, [](Problem& problem) {
        const auto depth = static_cast<std::size_t>(problem.item.depth);
        auto keys = problem.key.values();
        keys[(3 * 2 + 1) * depth + 2] = nan;
        problem.key.set(keys);
        for (const Way& way : ways_of(cpu_choices, device_choices)) {
            const Results results = run(problem, way);
            for (std::size_t i = 0; i < results.out.size(); ++i) {
                EXPECT_EQ(std::isnan(results.out[i]), i / depth % 2 == 1) << i << rerun(way, "*");
            }
        }
    });
}

/// Keys 0 to 69 have infinite scores, of either sign, for the queries; the last ten are finite.
TEST(AttentionValues, InfiniteScoresGiveWhatThePlainVersionGives) {
    const AttentionCase item{
        .name = "Infinite", .batch = 1, .queries = 9, .keys = 80, .heads = 1, .depth = 8};
    for (const std::int64_t infinite : {70, 80}) {
        for_each_precision(item, [&](Problem& problem) {
            auto keys = problem.key.values();
            for (std::int64_t s = 0; s < infinite; ++s) keys[s * problem.item.depth] = infinity;
            problem.key.set(keys);
            const Results plain = run(problem, {"plain", {}});
            for (const Way& way : ways_of({}, device_choices)) {
                const Results results = run(problem, way);
                if (results.out.empty()) continue;
                const double unit = problem.key.dtype() == DType::f32 ? 1e-5 : 0.02;
                expect_close(results.out, plain.out, unit, "out" + rerun(way, "*"));
                expect_close(results.log_sum_exp, plain.log_sum_exp, 1e-5,
                             "log_sum_exp" + rerun(way, "*"));
            }
        });
    }
}

/// Every implementation that a device has is tried by the cases above, none declines unseen.
TEST(AttentionChoices, DeviceKernelsTakeWhatTheyAreMadeFor) {
    struct Expectation {
        AttentionCase item;
        DType dtype;
        std::vector<std::string> forward;
        std::vector<std::string> backward;
        double sign = 1.0;
    };
    const AttentionCase base{.name = "",
                             .batch = 1,
                             .queries = 2,
                             .keys = 3,
                             .heads = 2,
                             .depth = 64,
                             .alignment = Alignment::vector};
    const auto with = [&](const std::function<void(AttentionCase&)>& change) {
        AttentionCase item = base;
        change(item);
        return item;
    };
    const std::vector<std::string> all = {"short", "streaming", "general"};
    const std::vector<std::string> general = {"general"};
    const Expectation expectations[] = {
        {base, DType::bf16, all, all},
        {with([](AttentionCase& item) { item.depth = 32; }), DType::bf16, all, all},
        {with([](AttentionCase& item) { item.depth = 128; }),
         DType::bf16,
         all,
         {"streaming", "general"}},
        {with([](AttentionCase& item) { item.keys = 209; }),
         DType::bf16,
         {"streaming", "general"},
         {"streaming", "general"}},
        {with([](AttentionCase& item) { item.depth = 48; }), DType::bf16, general, general},
        {with([](AttentionCase& item) { item.alignment = Alignment::element; }), DType::bf16,
         general, general},
        {with([](AttentionCase& item) { item.layout = Layout::padded; }), DType::bf16, general,
         general},
        {with([](AttentionCase& item) { item.queries = 0; }), DType::bf16, general, general},
        {with([](AttentionCase& item) { item.keys = 0; }), DType::bf16, general, general},
        {base, DType::f32, general, general},
        {base, DType::bf16, general, general, -1.0},
    };
    for (const Expectation& expectation : expectations) {
        Problem problem(expectation.item, expectation.dtype);
        problem.scale *= expectation.sign;
        for (const Way& way : ways_of({}, device_choices)) {
            const auto has = [&](const std::vector<std::string>& names) {
                return std::find(names.begin(), names.end(), way.choice) != names.end();
            };
            EXPECT_EQ(run_way(way, "attention",
                              [&](const Context& context) {
                                  attention(context, problem.forward(context));
                              }),
                      has(expectation.forward))
                << rerun(way, "attention");
            EXPECT_EQ(run_way(way, "attention_backward",
                              [&](const Context& context) {
                                  attention_backward(context, problem.backward(context));
                              }),
                      has(expectation.backward))
                << rerun(way, "attention_backward");
        }
    }
}

TEST(AttentionValues, WithoutQueriesTheGradientsOfKeysAreZero) {
    Problem problem({.name = "", .batch = 1, .queries = 0, .keys = 70, .heads = 1, .depth = 8},
                    DType::f32);
    for (const Way& way : ways_of({"plain"}, {"general"})) {
        problem.key_gradient.poison();
        const Results results = run(problem, way);
        EXPECT_EQ(results.gradients, std::vector<double>(2 * 70 * 8, 0.0)) << rerun(way, "*");
    }
}

TEST(AttentionErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Problem problem({.name = "", .batch = 2, .queries = 3, .keys = 4, .heads = 2, .depth = 8},
                          DType::bf16);
    auto bad = problem.forward({});
    bad.value = Operand(DType::bf16, {2, 4, 2, 7}).view();
    expect_error<ShapeError>([&] { attention({}, bad); },
                             "attention: value must be [2, 4, 2, 8], got [2, 4, 2, 7]");
    bad = problem.forward({});
    bad.key_mask = Operand(DType::u8, {2, 3}).view();
    expect_error<ShapeError>([&] { attention({}, bad); },
                             "attention: key_mask must be [2, 4], got [2, 3]");
    bad = problem.forward({});
    bad.log_sum_exp = Operand(DType::bf16, {2, 2, 3}).view();
    expect_error<DTypeError>([&] { attention({}, bad); },
                             "attention: log_sum_exp must be f32, got bf16");
    auto gradients = problem.backward({});
    gradients.key_gradient = Operand(DType::f32, {2, 4, 2, 8}).view();
    expect_error<DTypeError>([&] { attention_backward({}, gradients); },
                             "attention_backward: key_gradient must be bf16, got f32");
}

}  // namespace
}  // namespace balmer::kernels
