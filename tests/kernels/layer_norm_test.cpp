// kernels/layer_norm against the formula in f64.

#include "kernels/layer_norm/layer_norm.h"

#include <ostream>

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

struct LayerNormCase {
    const char* name;
    std::int64_t rows;
    std::int64_t columns;
    Layout layout = Layout::contiguous;
    bool has_addend = false;  ///< residual of the forward pass, dx_addend of the backward pass
    double mean = 0.5;
    double epsilon = 1e-6;
};

/// Beside the shapes themselves: on the device rows go to a warp or a block, in vectors or element
/// by element, and the longest are read again for each pass.
const LayerNormCase cases[] = {
    {.name = "OneElement", .rows = 1, .columns = 1},
    {.name = "OneRow", .rows = 1, .columns = 197},
    {.name = "Odd", .rows = 13, .columns = 37},
    {.name = "VectorWidth", .rows = 5, .columns = 64},
    {.name = "ViTTiny", .rows = 197, .columns = 192},
    {.name = "ManyRows", .rows = 3001, .columns = 9},
    {.name = "Padded", .rows = 17, .columns = 29, .layout = Layout::padded},
    {.name = "Residual", .rows = 17, .columns = 48, .has_addend = true},
    {.name = "ResidualPadded",
     .rows = 41,
     .columns = 35,
     .layout = Layout::padded,
     .has_addend = true},
    {.name = "LargeMean", .rows = 9, .columns = 100, .mean = 300.0},
    {.name = "LargeEpsilon", .rows = 9, .columns = 100, .epsilon = 2.0},
    {.name = "Vectors", .rows = 9, .columns = 768, .layout = Layout::aligned},
    {.name = "VectorsResidual",
     .rows = 21,
     .columns = 200,
     .layout = Layout::aligned_padded,
     .has_addend = true},
    {.name = "WideVectorsResidual",
     .rows = 3,
     .columns = 1000,
     .layout = Layout::aligned,
     .has_addend = true},
    {.name = "VectorsOfABlock",
     .rows = 2,
     .columns = 2304,
     .layout = Layout::aligned,
     .has_addend = true},
    {.name = "OddOfABlock", .rows = 137, .columns = 301, .has_addend = true},
    {.name = "LongOdd", .rows = 3, .columns = 2051, .has_addend = true},
    {.name = "Long", .rows = 2, .columns = 8200, .layout = Layout::aligned},
    {.name = "NoRows", .rows = 0, .columns = 5},
};

std::ostream& operator<<(std::ostream& stream, const LayerNormCase& item) {
    return stream << item.name;
}

struct ForwardProblem {
    Operand x, residual, weight, bias, y, sum, mean, deviation;
    std::vector<double> expected_y, expected_sum, expected_mean, expected_deviation;
    double epsilon;

    ForwardProblem(const LayerNormCase& item, DType dtype) : epsilon(item.epsilon) {
        Random random(3);
        const DType statistics = statistics_dtype(dtype);
        const Shape shape = {item.rows, item.columns};
        x = Operand(dtype, shape, item.layout).randomise(random, 1.0, item.mean);
        y = Operand(dtype, shape, item.layout);
        if (item.has_addend) residual = Operand(dtype, shape, item.layout).randomise(random);
        if (item.has_addend) sum = Operand(dtype, shape, item.layout);
        const bool is_aligned =
            item.layout == Layout::aligned || item.layout == Layout::aligned_padded;
        const Layout layout = is_aligned ? Layout::aligned : Layout::contiguous;
        weight = Operand(statistics, {item.columns}, layout).randomise(random, 0.3, 1.0);
        bias = Operand(statistics, {item.columns}, layout).randomise(random);
        mean = Operand(statistics, {item.rows});
        deviation = Operand(statistics, {item.rows});

        const auto values = x.values();
        const auto added = residual.values();
        const auto w = weight.values();
        const auto b = bias.values();
        const auto columns = static_cast<double>(item.columns);
        for (std::int64_t r = 0; r < item.rows; ++r) {
            std::vector<double> row(item.columns);
            double average = 0.0;
            for (std::int64_t c = 0; c < item.columns; ++c) {
                const std::size_t at = r * item.columns + c;
                row[c] = values[at] + (item.has_addend ? added[at] : 0.0);
                if (item.has_addend) expected_sum.push_back(row[c]);
                average += row[c] / columns;
            }
            double variance = 0.0;
            for (const double value : row) variance += (value - average) * (value - average);
            const double reciprocal = 1.0 / std::sqrt(variance / columns + epsilon);
            for (std::int64_t c = 0; c < item.columns; ++c) {
                expected_y.push_back((row[c] - average) * reciprocal * w[c] + b[c]);
            }
            expected_mean.push_back(average);
            expected_deviation.push_back(reciprocal);
        }
    }

    LayerNormForward arguments(const Context& context) const {
        LayerNormForward result;
        result.x = x.view(context);
        if (residual) result.residual = residual.view(context);
        if (sum) result.sum = sum.view(context);
        result.weight = weight.view(context);
        result.bias = bias.view(context);
        result.epsilon = epsilon;
        result.y = y.view(context);
        result.mean = mean.view(context);
        result.reciprocal_deviation = deviation.view(context);
        return result;
    }
};

struct BackwardProblem {
    Operand dy, x, weight, mean, deviation, addend, dx, weight_gradient, bias_gradient;
    std::vector<double> expected_dx, expected_weight_gradient, expected_bias_gradient;
    double gradient_magnitude = 0.0;  ///< of what is added up over the rows

    BackwardProblem(const LayerNormCase& item, DType dtype) {
        Random random(4);
        const ForwardProblem forward(item, dtype);
        const DType statistics = statistics_dtype(dtype);
        const Shape shape = {item.rows, item.columns};
        x = Operand(dtype, shape, item.layout);
        x.set(item.has_addend ? forward.expected_sum : forward.x.values());
        dy = Operand(dtype, shape, item.layout).randomise(random);
        if (item.has_addend) addend = Operand(dtype, shape, item.layout).randomise(random);
        weight = forward.weight;
        mean = Operand(statistics, {item.rows}).set(forward.expected_mean);
        deviation = Operand(statistics, {item.rows}).set(forward.expected_deviation);
        dx = Operand(dtype, shape, item.layout);
        weight_gradient = Operand(statistics, {item.columns});
        bias_gradient = Operand(statistics, {item.columns});

        const auto g = dy.values();
        const auto values = x.values();
        const auto w = weight.values();
        const auto added = addend.values();
        const auto means = mean.values();
        const auto deviations = deviation.values();
        const auto columns = static_cast<double>(item.columns);
        expected_weight_gradient.assign(item.columns, 0.0);
        expected_bias_gradient.assign(item.columns, 0.0);
        for (std::int64_t r = 0; r < item.rows; ++r) {
            double sum = 0.0;
            double sum_normal = 0.0;
            const auto normal = [&](std::int64_t c) {
                return (values[r * item.columns + c] - means[r]) * deviations[r];
            };
            for (std::int64_t c = 0; c < item.columns; ++c) {
                const double gradient = g[r * item.columns + c];
                sum += gradient * w[c];
                sum_normal += gradient * w[c] * normal(c);
                expected_weight_gradient[c] += gradient * normal(c);
                expected_bias_gradient[c] += gradient;
                gradient_magnitude = std::max(gradient_magnitude, std::abs(gradient * normal(c)));
            }
            for (std::int64_t c = 0; c < item.columns; ++c) {
                const std::size_t at = r * item.columns + c;
                expected_dx.push_back(deviations[r] * (g[at] * w[c] - sum / columns -
                                                       normal(c) * sum_normal / columns) +
                                      (addend ? added[at] : 0.0));
            }
        }
    }

    LayerNormBackward arguments(const Context& context) const {
        LayerNormBackward result;
        result.dy = dy.view(context);
        result.x = x.view(context);
        result.weight = weight.view(context);
        result.mean = mean.view(context);
        result.reciprocal_deviation = deviation.view(context);
        if (addend) result.dx_addend = addend.view(context);
        result.dx = dx.view(context);
        result.weight_gradient = weight_gradient.view(context);
        result.bias_gradient = bias_gradient.view(context);
        return result;
    }
};

class LayerNorm : public ::testing::TestWithParam<LayerNormCase> {};

/// The error of (x - mean) r grows with |mean| r: the difference cancels.
double tolerance_of(const LayerNormCase& item, DType dtype, const std::vector<double>& expected) {
    const DType statistics = statistics_dtype(dtype);
    const double rounding = dtype == DType::bf16 ? 0.51 * ulp_of(dtype) : 0.0;
    return (rounding + (16.0 + 4.0 * std::abs(item.mean)) * ulp_of(statistics)) *
           (1.0 + scale_of(expected));
}

TEST_P(LayerNorm, ForwardMatchesTheFormula) {
    const LayerNormCase& item = GetParam();
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            const ForwardProblem problem(item, dtype);
            if (!run_way(way, "layer_norm", [&](const Context& context) {
                    layer_norm(context, problem.arguments(context));
                })) {
                continue;
            }
            const std::string what = std::string(name_of(dtype)) + rerun(way, "layer_norm");
            same_bits.expect(way, "y", problem.y);
            same_bits.expect(way, "sum", problem.sum);
            same_bits.expect(way, "mean", problem.mean);
            same_bits.expect(way, "reciprocal_deviation", problem.deviation);
            const double statistics = (8.0 + 4.0 * std::abs(item.mean)) *
                                      ulp_of(statistics_dtype(dtype)) *
                                      (1.0 + scale_of(problem.expected_deviation));
            // The sum is rounded to the dtype before it is normalised.
            const double rounded = item.has_addend ? 2.0 : 1.0;
            expect_close(problem.y.values(), problem.expected_y,
                         rounded * tolerance_of(item, dtype, problem.expected_y), "y " + what);
            expect_close(problem.sum.values(), problem.expected_sum,
                         0.51 * ulp_of(dtype) * scale_of(problem.expected_sum), "sum " + what);
            if (dtype == DType::bf16 && item.has_addend) continue;
            expect_close(problem.mean.values(), problem.expected_mean, statistics, "mean " + what);
            expect_close(problem.deviation.values(), problem.expected_deviation,
                         statistics * scale_of(problem.expected_deviation),
                         "reciprocal_deviation " + what);
        }
    }
}

TEST_P(LayerNorm, BackwardMatchesTheFormula) {
    const LayerNormCase& item = GetParam();
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            const BackwardProblem problem(item, dtype);
            if (!run_way(way, "layer_norm_backward", [&](const Context& context) {
                    layer_norm_backward(context, problem.arguments(context));
                })) {
                continue;
            }
            const std::string what =
                std::string(name_of(dtype)) + rerun(way, "layer_norm_backward");
            same_bits.expect(way, "dx", problem.dx);
            same_bits.expect(way, "weight_gradient", problem.weight_gradient);
            same_bits.expect(way, "bias_gradient", problem.bias_gradient);
            expect_close(problem.dx.values(), problem.expected_dx,
                         tolerance_of(item, dtype, problem.expected_dx), "dx " + what);
            const double sums = 4.0 * (1.0 + std::abs(item.mean)) *
                                std::sqrt(static_cast<double>(item.rows)) *
                                ulp_of(statistics_dtype(dtype)) * problem.gradient_magnitude;
            expect_close(problem.weight_gradient.values(), problem.expected_weight_gradient, sums,
                         "weight_gradient " + what);
            expect_close(problem.bias_gradient.values(), problem.expected_bias_gradient, sums,
                         "bias_gradient " + what);
        }
    }
}

TEST_P(LayerNorm, TouchesNothingOutsideItsOutputs) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        const ForwardProblem forward(GetParam(), DType::f32);
        const BackwardProblem backward(GetParam(), DType::f32);
        run_way(way, "*", [&](const Context& context) {
            layer_norm(context, forward.arguments(context));
            layer_norm_backward(context, backward.arguments(context));
        });
        for (const Operand* operand :
             {&forward.y, &forward.sum, &forward.mean, &forward.deviation, &backward.dx,
              &backward.weight_gradient, &backward.bias_gradient}) {
            EXPECT_TRUE(operand->guards_are_intact()) << rerun(way, "*");
        }
    }
}

TEST_P(LayerNorm, GivesTheSameBitsWithOneThreadAndWithTwo) {
    const BackwardProblem one(GetParam(), DType::f32);
    const BackwardProblem two(GetParam(), DType::f32);
    layer_norm_backward(with_threads(1), one.arguments({}));
    layer_norm_backward(with_threads(2), two.arguments({}));
    EXPECT_EQ(error_of(one.dx.values(), two.dx.values()), 0.0);
    EXPECT_EQ(error_of(one.weight_gradient.values(), two.weight_gradient.values()), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Cases, LayerNorm, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

TEST(LayerNormValues, NanAndInfinityStayInTheirRow) {
    for (const Layout layout : {Layout::contiguous, Layout::aligned}) {
        for (const double bad : {nan, infinity}) {
            for (const Way& way : ways_of({"plain"}, {"device"})) {
                ForwardProblem problem({.name = "", .rows = 3, .columns = 24, .layout = layout},
                                       DType::f32);
                auto values = problem.x.values();
                values[1 * 24 + 7] = bad;
                problem.x.set(values);
                layer_norm(way.context, problem.arguments(way.context));
                const auto y = problem.y.values();
                for (std::size_t i = 0; i < y.size(); ++i) {
                    EXPECT_EQ(std::isnan(y[i]), i / 24 == 1) << i << rerun(way, "layer_norm");
                }
            }
        }
    }
}

TEST(LayerNormValues, ANanGradientSpoilsItsRowOfDxAndItsColumnOfTheSums) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        BackwardProblem problem({.name = "", .rows = 3, .columns = 20}, DType::f32);
        auto values = problem.dy.values();
        values[1 * 20 + 7] = nan;
        problem.dy.set(values);
        layer_norm_backward(way.context, problem.arguments(way.context));
        const auto dx = problem.dx.values();
        for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_EQ(std::isnan(dx[i]), i / 20 == 1) << i;
        const auto gradient = problem.weight_gradient.values();
        for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(gradient[i]), i == 7) << i;
    }
}

TEST(LayerNormErrors, NameTheArgumentTheExpectedAndTheActual) {
    const ForwardProblem problem({.name = "", .rows = 3, .columns = 4}, DType::bf16);
    const auto arguments = problem.arguments({});
    auto bad = arguments;
    bad.weight = Operand(DType::f32, {5}).view();
    expect_error<ShapeError>([&] { layer_norm({}, bad); },
                             "layer_norm: weight must be [4], got [5]");
    bad = arguments;
    bad.bias = Operand(DType::bf16, {4}).view();
    expect_error<DTypeError>([&] { layer_norm({}, bad); },
                             "layer_norm: bias must be f32, got bf16");
    bad = arguments;
    bad.x = Operand(DType::i32, {3, 4}).view();
    expect_error<DTypeError>([&] { layer_norm({}, bad); },
                             "layer_norm: x must be f32, f64 or bf16, got i32");
    bad = arguments;
    bad.x = Operand(DType::bf16, {3, 4, 1}).view();
    expect_error<ShapeError>([&] { layer_norm({}, bad); },
                             "layer_norm: x must be [R, C], got [3, 4, 1]");
    bad = arguments;
    bad.y = Operand(DType::bf16, {3, 4}, Layout::spread).view();
    expect_error<ShapeError>([&] { layer_norm({}, bad); },
                             "layer_norm: y [3, 4] must have a contiguous last dimension, its "
                             "strides are [8, 2]");
    bad = arguments;
    bad.residual = arguments.x;
    expect_error<UsageError>([&] { layer_norm({}, bad); }, "layer_norm: sum is missing");
    bad = arguments;
    bad.mean.device.type = DeviceType::simt;
    expect_error<DeviceError>([&] { layer_norm({}, bad); },
                              "layer_norm: mean must be on cpu, is on simt");
}

}  // namespace
}  // namespace balmer::kernels
