// kernels/gelu against erfc in f64.

#include "kernels/gelu/gelu.h"

#include <ostream>

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

double gelu_of(double p) {
    return 0.5 * p * std::erfc(-p / std::sqrt(2.0));
}
double derivative_of(double p) {
    return 0.5 * std::erfc(-p / std::sqrt(2.0)) +
           p * std::exp(-0.5 * p * p) / std::sqrt(2.0 * std::acos(-1.0));
}

struct GeluCase {
    const char* name;
    std::int64_t rows;
    std::int64_t columns;
    bool has_bias = false;
};

const GeluCase cases[] = {
    {.name = "OneElement", .rows = 1, .columns = 1},
    {.name = "Odd", .rows = 7, .columns = 37},
    {.name = "OddBias", .rows = 7, .columns = 37, .has_bias = true},
    {.name = "OneColumnBias", .rows = 29, .columns = 1, .has_bias = true},
    {.name = "Threads", .rows = 100, .columns = 199},
    {.name = "ThreadsBias", .rows = 100, .columns = 199, .has_bias = true},
    {.name = "Empty", .rows = 0, .columns = 3, .has_bias = true},
};

std::ostream& operator<<(std::ostream& stream, const GeluCase& item) {
    return stream << item.name;
}

class Gelu : public ::testing::TestWithParam<GeluCase> {};

TEST_P(Gelu, ForwardAndBackwardMatchErfcInF64) {
    const GeluCase& item = GetParam();
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            Random random(5);
            const Shape shape = {item.rows, item.columns};
            const Operand x = Operand(dtype, shape).randomise(random, 2.0);
            const Operand dy = Operand(dtype, shape).randomise(random);
            const Operand y(dtype, shape);
            const Operand dx(dtype, shape);
            Operand bias;
            if (item.has_bias) {
                bias = Operand(statistics_dtype(dtype), {item.columns}).randomise(random);
            }
            if (!run_way(way, "*", [&](const Context& context) {
                    const View b = bias ? bias.view(context) : View();
                    gelu(context, {x.view(context), b, y.view(context)});
                    gelu_backward(context,
                                  {dy.view(context), x.view(context), b, dx.view(context)});
                })) {
                continue;
            }
            const auto values = x.values();
            const auto biases = bias.values();
            const auto gradients = dy.values();
            std::vector<double> expected_y;
            std::vector<double> expected_dx;
            std::vector<double> tolerance_y;
            std::vector<double> tolerance_dx;
            const double unit = 4.0 * ulp_of(statistics_dtype(dtype)) +
                                (dtype == DType::bf16 ? 0.51 * ulp_of(dtype) : 0.0);
            for (std::size_t i = 0; i < values.size(); ++i) {
                const double p = values[i] + (bias ? biases[i % item.columns] : 0.0);
                expected_y.push_back(gelu_of(p));
                expected_dx.push_back(gradients[i] * derivative_of(p));
                // Adding the bias rounds p itself; the derivative's two terms may cancel. In f64
                // the argument of erfc is rounded on both sides.
                const double tail = dtype == DType::f64 ? 1.0 + p * p : 1.0;
                tolerance_y.push_back(unit * tail * std::abs(gelu_of(p)) +
                                      unit * (bias ? std::abs(p) : 0.0) * 1.2);
                tolerance_dx.push_back(unit * std::abs(gradients[i]) *
                                       (bias ? 1.2 + std::abs(p) : 1.2));
            }
            const std::string what = std::string(name_of(dtype)) + rerun(way, "*");
            expect_close(y.values(), expected_y, tolerance_y, "y " + what);
            expect_close(dx.values(), expected_dx, tolerance_dx, "dx " + what);
            EXPECT_TRUE(y.guards_are_intact() && dx.guards_are_intact()) << what;
            same_bits.expect(way, "y", y);
            same_bits.expect(way, "dx", dx);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, Gelu, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

/// Relative accuracy holds in the tails too, where 1 + erf would cancel.
TEST(GeluValues, AreWithinFourUlpOverTheWholeRange) {
    std::vector<double> points;
    for (double p = -12.9; p < 12.9; p += 0.00037) points.push_back(double{float(p)});
    for (double p = 1e-30; p < 1e-2; p *= 3.7) points.push_back(double{float(p)});
    for (const double p : {0.0, 1e5, -1e5, 3e38}) points.push_back(double{float(p)});
    const Shape shape = {1, static_cast<std::int64_t>(points.size())};
    const Operand x = Operand(DType::f32, shape).set(points);
    const Operand ones = Operand(DType::f32, shape).set(std::vector<double>(points.size(), 1.0));
    const Operand y(DType::f32, shape);
    const Operand dx(DType::f32, shape);
    gelu({}, {x.view(), {}, y.view()});
    gelu_backward({}, {ones.view(), x.view(), {}, dx.view()});
    std::vector<double> expected_y;
    std::vector<double> expected_dx;
    std::vector<double> tolerance_y;
    std::vector<double> tolerance_dx;
    for (const double p : points) {
        expected_y.push_back(gelu_of(p));
        expected_dx.push_back(derivative_of(p));
        tolerance_y.push_back(4.0 * ulp_of(DType::f32) * std::abs(gelu_of(p)) + 2e-38);
        tolerance_dx.push_back(
            4.0 * ulp_of(DType::f32) *
                std::max(std::abs(derivative_of(p)), 0.5 * std::erfc(-p / std::sqrt(2.0))) +
            2e-38);
    }
    expect_close(y.values(), expected_y, tolerance_y, "gelu");
    expect_close(dx.values(), expected_dx, tolerance_dx, "gelu'");
}

TEST(GeluValues, NanStaysNan) {
    const Operand x = Operand(DType::f32, {1, 9}).set({nan, 1, 2, nan, 3, 4, 5, 6, nan});
    gelu({}, {x.view(), {}, x.view()});
    const auto y = x.values();
    for (std::size_t i = 0; i < y.size(); ++i) {
        EXPECT_EQ(std::isnan(y[i]), i == 0 || i == 3 || i == 8) << i;
    }
}

TEST(GeluErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Operand x(DType::f32, {3, 4});
    const Operand small(DType::f32, {3, 3});
    const Operand half(DType::bf16, {4});
    expect_error<ShapeError>(
        [&] {
            gelu({}, {x.view(), {}, small.view()});
        },
        "gelu: y must be [3, 4], got [3, 3]");
    expect_error<DTypeError>(
        [&] {
            gelu({}, {x.view(), half.view(), x.view()});
        },
        "gelu: bias must be f32, got bf16");
    expect_error<ShapeError>(
        [&] {
            gelu_backward({}, {small.view(), x.view(), {}, x.view()});
        },
        "gelu_backward: dy must be [3, 4], got [3, 3]");
    expect_error<ShapeError>(
        [&] {
            gelu({}, {Operand(DType::f32, {3, 4}, Layout::padded).view(), {}, x.view()});
        },
        "gelu: x [3, 4] must be contiguous, its strides are [7, 1]");
}

}  // namespace
}  // namespace balmer::kernels
