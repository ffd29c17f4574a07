// kernels/attention against softmax(scale q k^T + mask) v and its derivatives in f64.

#include "kernels/attention/attention.h"

#include <ostream>

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

enum class Mask : std::uint8_t { none, padding, scattered, all_of_the_first };

struct AttentionCase {
    const char* name;
    std::int64_t batch;
    std::int64_t queries;
    std::int64_t keys;
    std::int64_t heads;
    std::int64_t depth;
    Mask mask = Mask::none;
    bool is_packed = false;  ///< query, key and value lie in one [B, T, 3, H, D]
    Layout layout = Layout::contiguous;
    double deviation = 1.0;
};

const AttentionCase cases[] = {
    {.name = "OneToken", .batch = 1, .queries = 1, .keys = 1, .heads = 1, .depth = 1},
    {.name = "TwoTokens", .batch = 2, .queries = 2, .keys = 2, .heads = 3, .depth = 5},
    {.name = "Odd", .batch = 2, .queries = 13, .keys = 13, .heads = 3, .depth = 17},
    {.name = "Cross", .batch = 2, .queries = 7, .keys = 19, .heads = 2, .depth = 8},
    {.name = "OneQuery", .batch = 3, .queries = 1, .keys = 37, .heads = 2, .depth = 64},
    {.name = "ViT", .batch = 1, .queries = 197, .keys = 197, .heads = 2, .depth = 64},
    {.name = "ViTPacked",
     .batch = 2,
     .queries = 197,
     .keys = 197,
     .heads = 1,
     .depth = 64,
     .is_packed = true},
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

std::ostream& operator<<(std::ostream& stream, const AttentionCase& item) {
    return stream << item.name;
}

/// One of query, key and value, and the operand that holds it.
View part_of(const Operand& packed, int part, const Context& context) {
    const View whole = packed.view(context);  // [B, T, 3, H, D]
    View view = whole;
    view.shape = whole.shape.without(2);
    view.strides = whole.strides.without(2);
    view.data = static_cast<std::uint8_t*>(whole.data) +
                part * whole.strides[2] * static_cast<std::int64_t>(size_of(whole.dtype));
    return view;
}

/// A flat [B, tokens, H, D] array of f64.
struct Heads {
    std::vector<double> values;
    std::int64_t tokens, heads, depth;
    double& at(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t d) {
        return values[((b * tokens + t) * heads + h) * depth + d];
    }
};

struct Problem {
    AttentionCase item;
    Operand packed, query, key, value, out, log_sum_exp, mask, out_gradient;
    Operand packed_gradient, query_gradient, key_gradient, value_gradient;
    Heads expected_out, expected_dq, expected_dk, expected_dv;
    std::vector<double> expected_log_sum_exp;
    double scale;

    Problem(const AttentionCase& the_case, DType dtype)
        : item(the_case), scale(1.0 / std::sqrt(static_cast<double>(the_case.depth))) {
        Random random(6);
        const Shape queries = {item.batch, item.queries, item.heads, item.depth};
        const Shape keys = {item.batch, item.keys, item.heads, item.depth};
        if (item.is_packed) {
            const Shape shape = {item.batch, item.queries, 3, item.heads, item.depth};
            packed = Operand(dtype, shape).randomise(random, item.deviation);
            packed_gradient = Operand(dtype, shape);
        }
        query = Operand(dtype, queries, item.layout).randomise(random, item.deviation);
        key = Operand(dtype, keys, item.layout).randomise(random, item.deviation);
        value = Operand(dtype, keys, item.layout).randomise(random, item.deviation);
        query_gradient = Operand(dtype, queries, item.layout);
        key_gradient = Operand(dtype, keys, item.layout);
        value_gradient = Operand(dtype, keys, item.layout);
        out = Operand(dtype, queries, item.layout);
        out_gradient = Operand(dtype, queries, item.layout).randomise(random);
        log_sum_exp = Operand(statistics_dtype(dtype), {item.batch, item.heads, item.queries});
        if (item.mask != Mask::none) {
            std::vector<double> visible;
            for (std::int64_t b = 0; b < item.batch; ++b) {
                for (std::int64_t s = 0; s < item.keys; ++s) {
                    const bool is_padding = s >= item.keys - 3 * b;
                    visible.push_back(item.mask == Mask::padding     ? (is_padding ? 0 : 1)
                                      : item.mask == Mask::scattered ? (s * 7 + b) % 3
                                                                     : b);
                }
            }
            mask = Operand(DType::u8, {item.batch, item.keys}).set(visible);
        }
        if (item.is_packed) unpack();
        compute();
    }

    void unpack() {
        const auto whole = packed.values();
        std::vector<double> parts[3];
        const std::size_t length = item.heads * item.depth;
        for (std::size_t i = 0; i < whole.size(); ++i) parts[i / length % 3].push_back(whole[i]);
        query.set(parts[0]);
        key.set(parts[1]);
        value.set(parts[2]);
    }

    void compute() {
        Heads q{query.values(), item.queries, item.heads, item.depth};
        Heads k{key.values(), item.keys, item.heads, item.depth};
        Heads v{value.values(), item.keys, item.heads, item.depth};
        Heads g{out_gradient.values(), item.queries, item.heads, item.depth};
        expected_out = {std::vector<double>(q.values.size()), item.queries, item.heads, item.depth};
        expected_dq = expected_out;
        expected_dk = {std::vector<double>(k.values.size()), item.keys, item.heads, item.depth};
        expected_dv = expected_dk;
        const auto visible = mask.values();
        for (std::int64_t b = 0; b < item.batch; ++b) {
            for (std::int64_t h = 0; h < item.heads; ++h) {
                for (std::int64_t t = 0; t < item.queries; ++t) {
                    std::vector<double> p(item.keys, 0.0);
                    double maximum = -infinity;
                    for (std::int64_t s = 0; s < item.keys; ++s) {
                        double score = 0.0;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            score += scale * q.at(b, t, h, d) * k.at(b, s, h, d);
                        }
                        const bool is_seen = !mask || visible[b * item.keys + s] != 0.0;
                        p[s] = is_seen ? score : -infinity;
                        maximum = std::max(maximum, p[s]);
                    }
                    double total = 0.0;
                    for (double& x : p) {
                        x = x == -infinity ? 0.0 : std::exp(x - maximum);
                        total += x;
                    }
                    expected_log_sum_exp.push_back(total == 0.0 ? -infinity
                                                                : maximum + std::log(total));
                    double delta = 0.0;
                    for (std::int64_t s = 0; s < item.keys; ++s) {
                        if (p[s] == 0.0) continue;
                        p[s] /= total;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            expected_out.at(b, t, h, d) += p[s] * v.at(b, s, h, d);
                            expected_dv.at(b, s, h, d) += p[s] * g.at(b, t, h, d);
                            delta += p[s] * g.at(b, t, h, d) * v.at(b, s, h, d);
                        }
                    }
                    for (std::int64_t s = 0; s < item.keys; ++s) {
                        double by_score = -delta;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            by_score += g.at(b, t, h, d) * v.at(b, s, h, d);
                        }
                        by_score *= p[s] * scale;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            expected_dq.at(b, t, h, d) += by_score * k.at(b, s, h, d);
                            expected_dk.at(b, s, h, d) += by_score * q.at(b, t, h, d);
                        }
                    }
                }
            }
        }
    }

    template <class Arguments>
    void set_inputs(Arguments& arguments, const Context& context) const {
        const bool packs = item.is_packed;
        arguments.query = packs ? part_of(packed, 0, context) : query.view(context);
        arguments.key = packs ? part_of(packed, 1, context) : key.view(context);
        arguments.value = packs ? part_of(packed, 2, context) : value.view(context);
        if (mask) arguments.key_mask = mask.view(context);
        arguments.scale = scale;
        arguments.out = out.view(context);
        arguments.log_sum_exp = log_sum_exp.view(context);
    }

    AttentionForward forward(const Context& context) const {
        AttentionForward arguments;
        set_inputs(arguments, context);
        return arguments;
    }

    AttentionBackward backward(const Context& context) const {
        AttentionBackward arguments;
        set_inputs(arguments, context);
        const bool packs = item.is_packed;
        const auto gradient = [&](const Operand& own, int part) {
            return packs ? part_of(packed_gradient, part, context) : own.view(context);
        };
        arguments.out_gradient = out_gradient.view(context);
        arguments.query_gradient = gradient(query_gradient, 0);
        arguments.key_gradient = gradient(key_gradient, 1);
        arguments.value_gradient = gradient(value_gradient, 2);
        return arguments;
    }

    /// Query, key and value gradients, one behind the other.
    std::vector<double> gradients() const {
        std::vector<double> result;
        if (item.is_packed) {
            const auto whole = packed_gradient.values();
            const std::size_t length = item.heads * item.depth;
            for (std::size_t part = 0; part < 3; ++part) {
                for (std::size_t i = 0; i < whole.size(); ++i) {
                    if (i / length % 3 == part) result.push_back(whole[i]);
                }
            }
            return result;
        }
        for (const Operand* operand : {&query_gradient, &key_gradient, &value_gradient}) {
            const auto values = operand->values();
            result.insert(result.end(), values.begin(), values.end());
        }
        return result;
    }

    std::vector<double> expected_gradients() const {
        std::vector<double> result;
        for (const Heads* heads : {&expected_dq, &expected_dk, &expected_dv}) {
            result.insert(result.end(), heads->values.begin(), heads->values.end());
        }
        return result;
    }

    void expect_guards_intact(const std::string& what) const {
        for (const Operand* operand : {&out, &log_sum_exp, &query_gradient, &key_gradient,
                                       &value_gradient, &packed_gradient, &packed}) {
            EXPECT_TRUE(operand->guards_are_intact()) << what;
        }
    }
};

/// Runs forward, then backward on the exact out and log-sum-exp; false if the way declines.
bool run(Problem& problem, const Way& way, std::vector<double>& out,
         std::vector<double>& log_sum_exp) {
    if (!run_way(way, "attention",
                 [&](const Context& context) { attention(context, problem.forward(context)); })) {
        return false;
    }
    out = problem.out.values();
    log_sum_exp = problem.log_sum_exp.values();
    problem.expect_guards_intact("forward" + rerun(way, "attention"));
    problem.out.set(problem.expected_out.values);
    problem.log_sum_exp.set(problem.expected_log_sum_exp);
    return run_way(way, "attention_backward", [&](const Context& context) {
        attention_backward(context, problem.backward(context));
        problem.expect_guards_intact("backward" + rerun(way, "attention_backward"));
    });
}

class Attention : public ::testing::TestWithParam<AttentionCase> {};

/// A score's rounding error goes through exp: the error of a probability is that of the scores.
TEST_P(Attention, MatchesSoftmaxInF64InFullPrecision) {
    for (const DType dtype : {DType::f32, DType::f64}) {
        for (const Way& way : ways_of({"blocked", "plain"})) {
            Problem problem(GetParam(), dtype);
            std::vector<double> out;
            std::vector<double> log_sum_exp;
            if (!run(problem, way, out, log_sum_exp)) continue;
            const double scores = scale_of(problem.expected_log_sum_exp);
            const double unit = (16.0 + 4.0 * scores) * ulp_of(dtype);
            const std::string what = std::string(name_of(dtype)) + rerun(way, "*");
            expect_close(out, problem.expected_out.values, unit * scale_of(problem.value.values()),
                         "out " + what);
            expect_close(log_sum_exp, problem.expected_log_sum_exp, unit, "log_sum_exp " + what);
            const auto expected = problem.expected_gradients();
            expect_close(problem.gradients(), expected, unit * (1.0 + 2.0 * scale_of(expected)),
                         "gradients " + what);
        }
    }
}

TEST_P(Attention, InBf16IsAtMostTwiceAsWrongAsThePlainVersion) {
    Problem plain(GetParam(), DType::bf16);
    std::vector<double> plain_out;
    std::vector<double> plain_log_sum_exp;
    run(plain, {"plain", {}}, plain_out, plain_log_sum_exp);
    const auto& expected = plain.expected_out.values;
    expect_close(plain_out, expected, ulp_of(DType::bf16) * (0.01 + scale_of(expected)), "plain");
    for (const Way& way : ways_of({"blocked"})) {
        Problem problem(GetParam(), DType::bf16);
        std::vector<double> out;
        std::vector<double> log_sum_exp;
        if (!run(problem, way, out, log_sum_exp)) continue;
        const std::string what = rerun(way, "*");
        expect_close(out, expected, low_precision_tolerance(plain_out, expected, DType::bf16),
                     "out" + what);
        const auto gradients = plain.expected_gradients();
        expect_close(problem.gradients(), gradients,
                     low_precision_tolerance(plain.gradients(), gradients, DType::bf16),
                     "gradients" + what);
    }
}

TEST_P(Attention, GivesTheSameBitsWithOneThreadAndWithTwo) {
    for (const auto& choice : {"blocked", "plain"}) {
        Problem one(GetParam(), DType::f32);
        Problem two(GetParam(), DType::f32);
        std::vector<double> out[2];
        std::vector<double> log_sum_exp[2];
        run(one, {choice, with_threads(1)}, out[0], log_sum_exp[0]);
        run(two, {choice, with_threads(2)}, out[1], log_sum_exp[1]);
        EXPECT_EQ(error_of(out[0], out[1]), 0.0) << choice;
        EXPECT_EQ(error_of(one.gradients(), two.gradients()), 0.0) << choice;
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, Attention, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

TEST(AttentionValues, ARowWithoutKeysGivesZeroAndNoGradient) {
    for (const Way& way : ways_of({"blocked", "plain"})) {
        Problem problem({.name = "",
                         .batch = 2,
                         .queries = 3,
                         .keys = 4,
                         .heads = 1,
                         .depth = 8,
                         .mask = Mask::all_of_the_first},
                        DType::f32);
        std::vector<double> out;
        std::vector<double> log_sum_exp;
        if (!run(problem, way, out, log_sum_exp)) continue;
        const auto gradients = problem.gradients();
        for (std::size_t i = 0; i < 3 * 8; ++i) EXPECT_EQ(out[i], 0.0) << rerun(way, "*");
        for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(log_sum_exp[i], -infinity);
        for (std::size_t i = 0; i < 3 * 8; ++i) EXPECT_EQ(gradients[i], 0.0) << rerun(way, "*");
    }
}

TEST(AttentionValues, WhatIsMaskedMayBeNan) {
    for (const Way& way : ways_of({"blocked", "plain"})) {
        Problem problem({.name = "",
                         .batch = 1,
                         .queries = 5,
                         .keys = 20,
                         .heads = 1,
                         .depth = 8,
                         .mask = Mask::scattered},
                        DType::f32);
        auto keys = problem.key.values();
        auto values = problem.value.values();
        for (std::size_t i = 0; i < 8; ++i) keys[i] = values[i] = nan;  // key 0 is masked
        problem.key.set(keys);
        problem.value.set(values);
        std::vector<double> out;
        std::vector<double> log_sum_exp;
        if (!run(problem, way, out, log_sum_exp)) continue;
        expect_close(out, problem.expected_out.values, 1e-5, "out" + rerun(way, "*"));
        expect_close(problem.gradients(), problem.expected_gradients(), 1e-4,
                     "gradients" + rerun(way, "*"));
    }
}

TEST(AttentionValues, NanOfAVisibleKeyReachesEveryQueryOfItsHead) {
    for (const Way& way : ways_of({"blocked", "plain"})) {
        Problem problem({.name = "", .batch = 1, .queries = 5, .keys = 20, .heads = 2, .depth = 8},
                        DType::f32);
        auto keys = problem.key.values();
        keys[(3 * 2 + 1) * 8 + 2] = nan;
        problem.key.set(keys);
        if (!run_way(way, "attention", [&](const Context& context) {
                attention(context, problem.forward(context));
            })) {
            continue;
        }
        const auto out = problem.out.values();
        for (std::size_t i = 0; i < out.size(); ++i) {
            EXPECT_EQ(std::isnan(out[i]), i / 8 % 2 == 1) << i << rerun(way, "attention");
        }
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
