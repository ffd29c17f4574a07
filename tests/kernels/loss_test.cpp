// kernels/cross_entropy and kernels/mse against their formulas in f64.

#include <ostream>

#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/mse/mse.h"
#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

struct CrossEntropyCase {
    const char* name;
    std::int64_t rows;
    std::int64_t classes;
    bool has_weight = false;
    bool leaves_rows_out = false;
    double deviation = 1.0;
};

const CrossEntropyCase cross_entropy_cases[] = {
    {.name = "OneClass", .rows = 3, .classes = 1},
    {.name = "OneRow", .rows = 1, .classes = 4},
    {.name = "Odd", .rows = 37, .classes = 5},
    {.name = "ManyClasses", .rows = 19, .classes = 1003},
    {.name = "Weighted", .rows = 37, .classes = 5, .has_weight = true},
    {.name = "LeftOut", .rows = 37, .classes = 5, .has_weight = true, .leaves_rows_out = true},
    {.name = "LargeLogits", .rows = 11, .classes = 7, .deviation = 100.0},
    {.name = "NoRows", .rows = 0, .classes = 3},
};

std::ostream& operator<<(std::ostream& stream, const CrossEntropyCase& item) {
    return stream << item.name;
}

class CrossEntropy : public ::testing::TestWithParam<CrossEntropyCase> {};

TEST_P(CrossEntropy, LossAndGradientMatchTheFormula) {
    const CrossEntropyCase& item = GetParam();
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            Random random(20);
            const DType statistics = statistics_dtype(dtype);
            const double normaliser = 7.5;
            const double loss_gradient = -1.25;
            const Operand logits =
                Operand(dtype, {item.rows, item.classes}).randomise(random, item.deviation);
            std::vector<double> labels(item.rows);
            for (double& label : labels) {
                label = static_cast<double>(random.below(item.classes));
                if (item.leaves_rows_out && random.below(3) == 0) label = -1;
            }
            const Operand target = Operand(DType::i64, {item.rows}).set(labels);
            Operand weight;
            if (item.has_weight) {
                weight = Operand(DType::f32, {item.rows}).randomise(random, 0.2, 1.0);
            }
            const Operand loss(statistics, {1});
            const Operand log_sum_exp(statistics, {item.rows});
            const Operand upstream = Operand(statistics, {1}).set({loss_gradient});
            const Operand gradient(dtype, logits.shape());
            if (!run_way(way, "*", [&](const Context& context) {
                    const View weights = weight ? weight.view(context) : View();
                    cross_entropy(context,
                                  {logits.view(context), target.view(context), weights, normaliser,
                                   loss.view(context), log_sum_exp.view(context)});
                    cross_entropy_backward(
                        context,
                        {upstream.view(context), logits.view(context), target.view(context),
                         weights, normaliser, log_sum_exp.view(context), gradient.view(context)});
                })) {
                continue;
            }
            same_bits.expect(way, "loss", loss);
            same_bits.expect(way, "log_sum_exp", log_sum_exp);
            same_bits.expect(way, "gradient", gradient);
            double expected_loss = 0.0;
            double magnitude = 0.0;
            std::vector<double> expected_sums;
            std::vector<double> expected_gradient;
            const auto x = logits.values();
            const auto weights = weight.values();
            for (std::int64_t r = 0; r < item.rows; ++r) {
                double maximum = -infinity;
                for (std::int64_t k = 0; k < item.classes; ++k) {
                    maximum = std::max(maximum, x[r * item.classes + k]);
                }
                double total = 0.0;
                for (std::int64_t k = 0; k < item.classes; ++k) {
                    total += std::exp(x[r * item.classes + k] - maximum);
                }
                const double sum = maximum + std::log(total);
                expected_sums.push_back(sum);
                const auto label = static_cast<std::int64_t>(labels[r]);
                const double w = label < 0 ? 0.0 : (weight ? weights[r] : 1.0);
                if (label >= 0) {
                    expected_loss += w * (sum - x[r * item.classes + label]) / normaliser;
                    magnitude += std::abs(w) * (std::abs(sum) + std::abs(maximum)) / normaliser;
                }
                for (std::int64_t k = 0; k < item.classes; ++k) {
                    const double p = std::exp(x[r * item.classes + k] - sum);
                    expected_gradient.push_back(loss_gradient * w / normaliser *
                                                (p - (k == label ? 1.0 : 0.0)));
                }
            }
            const std::string what = std::string(name_of(dtype)) + rerun(way, "*");
            const double unit = ulp_of(statistics);
            const double rounding = dtype == DType::bf16 ? 0.51 * ulp_of(dtype) : 0.0;
            expect_close(loss.values(), {expected_loss}, 4.0 * unit * magnitude, "loss " + what);
            expect_close(log_sum_exp.values(), expected_sums,
                         4.0 * unit * (1.0 + scale_of(expected_sums)), "log_sum_exp " + what);
            expect_close(gradient.values(), expected_gradient,
                         rounding * scale_of(expected_gradient) +
                             4.0 * unit * (1.0 + scale_of(expected_sums)),
                         "gradient " + what);
            EXPECT_TRUE(loss.guards_are_intact() && gradient.guards_are_intact() &&
                        log_sum_exp.guards_are_intact())
                << what;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, CrossEntropy, ::testing::ValuesIn(cross_entropy_cases),
                         [](const auto& item) { return item.param.name; });

/// Two rows, of which the first has NaN among its logits.
struct NanProblem {
    Operand logits = Operand(DType::f32, {2, 3}).set({nan, 1, 2, 3, 4, 5});
    Operand loss{DType::f32, {1}};
    Operand sums{DType::f32, {2}};
    Operand gradient{DType::f32, {2, 3}};
    Operand one = Operand(DType::f32, {1}).set({1.0});

    void run(const Context& context, const Operand& target) const {
        cross_entropy(context, {logits.view(context),
                                target.view(context),
                                {},
                                1.0,
                                loss.view(context),
                                sums.view(context)});
        cross_entropy_backward(context, {one.view(context),
                                         logits.view(context),
                                         target.view(context),
                                         {},
                                         1.0,
                                         sums.view(context),
                                         gradient.view(context)});
    }
};

TEST(CrossEntropyValues, NanLogitsGiveANanLossUnlessTheirRowIsLeftOut) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        for (const double label : {0.0, -1.0}) {
            const NanProblem problem;
            problem.run(way.context, Operand(DType::i64, {2}).set({label, 1}));
            EXPECT_EQ(std::isnan(problem.loss.values()[0]), label >= 0.0);
            EXPECT_EQ(std::isnan(problem.gradient.values()[0]), label >= 0.0);
            EXPECT_FALSE(std::isnan(problem.gradient.values()[3]));
        }
    }
}

TEST(CrossEntropyValues, ATargetOutOfRangeGivesANanLossWhereTheHostCannotSeeIt) {
    for (const Way& way : ways_of({}, {"device"})) {
        for (const double label : {3.0, 1e15}) {
            NanProblem problem;
            problem.logits.set({0, 1, 2, 3, 4, 5});
            problem.run(way.context, Operand(DType::i64, {2}).set({label, 1}));
            EXPECT_TRUE(std::isnan(problem.loss.values()[0])) << rerun(way, "cross_entropy");
            const auto gradient = problem.gradient.values();
            for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(std::isnan(gradient[i]), i < 3) << i;
        }
    }
}

TEST(CrossEntropyValues, InfiniteLogitsFollowTheFormula) {
    const Operand logits =
        Operand(DType::f32, {3, 2}).set({-infinity, 0.0, infinity, 0.0, -infinity, -infinity});
    const Operand target = Operand(DType::i64, {3}).set({1, -1, -1});
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        const Operand loss(DType::f32, {1});
        const Operand sums(DType::f32, {3});
        cross_entropy(way.context, {logits.view(way.context),
                                    target.view(way.context),
                                    {},
                                    1.0,
                                    loss.view(way.context),
                                    sums.view(way.context)});
        expect_close(loss.values(), {0.0}, 0.0, "loss" + rerun(way, "cross_entropy"));
        expect_close(sums.values(), {0.0, infinity, -infinity}, 0.0,
                     "log_sum_exp" + rerun(way, "cross_entropy"));
    }
}

TEST(CrossEntropyErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Operand logits(DType::f32, {2, 3});
    const Operand target = Operand(DType::i64, {2}).set({0, 3});
    const Operand loss(DType::f32, {1});
    const Operand sums(DType::f32, {2});
    CrossEntropyForward arguments{logits.view(), target.view(), {}, 1.0, loss.view(), sums.view()};
    expect_error<ShapeError>(
        [&] { cross_entropy({}, arguments); },
        "cross_entropy: target[1] must be below the number of classes 3, got 3");
    arguments.target = Operand(DType::i32, {2}).view();
    expect_error<DTypeError>([&] { cross_entropy({}, arguments); },
                             "cross_entropy: target must be i64, got i32");
    arguments.target = Operand(DType::i64, {3}).view();
    expect_error<ShapeError>([&] { cross_entropy({}, arguments); },
                             "cross_entropy: target must be [2], got [3]");
    arguments.target = target.view();
    arguments.normaliser = 0.0;
    expect_error<UsageError>([&] { cross_entropy({}, arguments); },
                             "cross_entropy: normaliser must be positive, got 0.000000");
}

struct MseCase {
    const char* name;
    Shape shape;
    bool has_weight = false;
    double huber_delta = 0.0;
};

const MseCase mse_cases[] = {
    {.name = "One", .shape = {1}},
    {.name = "Odd", .shape = {37, 3}},
    {.name = "Weighted", .shape = {37, 3}, .has_weight = true},
    {.name = "Huber", .shape = {41}, .huber_delta = 0.7},
    {.name = "HuberWeighted", .shape = {5, 9}, .has_weight = true, .huber_delta = 1.5},
    {.name = "Threads", .shape = {9001}},
    {.name = "Empty", .shape = {0}},
};

std::ostream& operator<<(std::ostream& stream, const MseCase& item) {
    return stream << item.name;
}

class Mse : public ::testing::TestWithParam<MseCase> {};

/// Every third element has weight 0 and a NaN target, which must not show.
TEST_P(Mse, LossAndGradientMatchTheFormula) {
    const MseCase& item = GetParam();
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            Random random(21);
            const DType statistics = statistics_dtype(dtype);
            const double normaliser = 3.0;
            const double loss_gradient = 0.75;
            const double delta = item.huber_delta;
            const Operand prediction = Operand(dtype, item.shape).randomise(random);
            Operand target = Operand(statistics, item.shape).randomise(random);
            Operand weight;
            if (item.has_weight) {
                weight = Operand(DType::f32, item.shape).randomise(random, 0.2, 1.0);
                auto weights = weight.values();
                auto targets = target.values();
                for (std::size_t i = 0; i < weights.size(); i += 3) {
                    weights[i] = 0.0;
                    targets[i] = nan;
                }
                weight.set(weights);
                target.set(targets);
            }
            const Operand loss(statistics, {1});
            const Operand upstream = Operand(statistics, {1}).set({loss_gradient});
            const Operand gradient(dtype, item.shape);
            if (!run_way(way, "*", [&](const Context& context) {
                    const View weights = weight ? weight.view(context) : View();
                    mse(context, {prediction.view(context), target.view(context), weights,
                                  normaliser, delta, loss.view(context)});
                    mse_backward(context, {upstream.view(context), prediction.view(context),
                                           target.view(context), weights, normaliser, delta,
                                           gradient.view(context)});
                })) {
                continue;
            }
            same_bits.expect(way, "loss", loss);
            same_bits.expect(way, "gradient", gradient);
            double expected_loss = 0.0;
            std::vector<double> expected_gradient;
            const auto predictions = prediction.values();
            const auto targets = target.values();
            const auto weights = weight.values();
            for (std::size_t i = 0; i < predictions.size(); ++i) {
                const double w = weight ? weights[i] : 1.0;
                if (w == 0.0) {
                    expected_gradient.push_back(0.0);
                    continue;
                }
                const double e = predictions[i] - targets[i];
                const bool is_linear = delta > 0.0 && std::abs(e) > delta;
                expected_loss +=
                    w / normaliser * (is_linear ? delta * (2.0 * std::abs(e) - delta) : e * e);
                expected_gradient.push_back(loss_gradient * w / normaliser *
                                            (is_linear ? 2.0 * std::copysign(delta, e) : 2.0 * e));
            }
            const std::string what = std::string(name_of(dtype)) + rerun(way, "*");
            const double rounding = 0.51 * ulp_of(dtype);
            // Both sides add in f64, in different ways.
            const double order = static_cast<double>(item.shape.numel()) * 0x1p-53;
            expect_close(loss.values(), {expected_loss},
                         (2.0 * ulp_of(statistics) + order) * expected_loss, "loss " + what);
            expect_close(gradient.values(), expected_gradient,
                         (rounding + 2.0 * ulp_of(statistics)) * scale_of(expected_gradient),
                         "gradient " + what);
            EXPECT_TRUE(loss.guards_are_intact() && gradient.guards_are_intact()) << what;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, Mse, ::testing::ValuesIn(mse_cases),
                         [](const auto& item) { return item.param.name; });

TEST(MseErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Operand x(DType::bf16, {4});
    const Operand loss(DType::f32, {1});
    expect_error<DTypeError>(
        [&] {
            mse({}, {x.view(), x.view(), {}, 1.0, 0.0, loss.view()});
        },
        "mse: target must be f32, got bf16");
    const Operand target(DType::f32, {4, 1});
    expect_error<ShapeError>(
        [&] {
            mse({}, {x.view(), target.view(), {}, 1.0, 0.0, loss.view()});
        },
        "mse: target must be [4], got [4, 1]");
}

}  // namespace
}  // namespace balmer::kernels
