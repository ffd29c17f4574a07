// kernels/elementwise against the same functions in f64.

#include "kernels/elementwise/elementwise.h"

#include <array>
#include <ostream>

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

constexpr std::array floating = {DType::f32, DType::f64, DType::bf16};

/// Half a unit in the last place of the result, and the accuracy of f32 functions for bf16 inputs.
double rounding_of(DType dtype) {
    return dtype == DType::bf16 ? 0.501 * ulp_of(dtype) : 2.0 * ulp_of(dtype);
}

std::vector<double> tolerances(const std::vector<double>& expected, DType dtype,
                               double factor = 1.0) {
    std::vector<double> result;
    for (const double value : expected) {
        result.push_back(factor * rounding_of(dtype) * std::abs(value) + 1e-37);
    }
    return result;
}

/// Large cases run on devices once for each code path: simt takes a microsecond an element.
std::vector<std::string> devices_if(bool is_on_devices) {
    return is_on_devices ? std::vector<std::string>{"device"} : std::vector<std::string>{};
}

/// How an operand of a binary operation lies under a [R, C] (or deeper) output.
struct BinaryCase {
    const char* name;
    Shape a;
    Shape b;
    Shape out;
    Layout layout_a = Layout::contiguous;
    Layout layout_b = Layout::contiguous;
    Layout layout_out = Layout::contiguous;
    Alignment alignment = Alignment::element;
};

const BinaryCase binary_cases[] = {
    {.name = "Scalars", .a = {}, .b = {}, .out = {}},
    {.name = "Same", .a = {5, 37}, .b = {5, 37}, .out = {5, 37}},
    {.name = "Threads", .a = {171, 203}, .b = {171, 203}, .out = {171, 203}},
    {.name = "Row", .a = {5, 37}, .b = {37}, .out = {5, 37}},
    {.name = "RowOnTheLeft", .a = {37}, .b = {5, 37}, .out = {5, 37}},
    {.name = "Column", .a = {5, 37}, .b = {5, 1}, .out = {5, 37}},
    {.name = "Scalar", .a = {5, 37}, .b = {}, .out = {5, 37}},
    {.name = "ScalarOnTheLeft", .a = {1}, .b = {5, 37}, .out = {5, 37}},
    {.name = "BothWays", .a = {5, 1}, .b = {1, 37}, .out = {5, 37}},
    {.name = "Tokens", .a = {3, 7, 5}, .b = {7, 5}, .out = {3, 7, 5}},
    {.name = "MiddleDimension", .a = {3, 7, 5}, .b = {3, 1, 5}, .out = {3, 7, 5}},
    {.name = "TransposedLeft",
     .a = {6, 37},
     .b = {6, 37},
     .out = {6, 37},
     .layout_a = Layout::transposed},
    {.name = "AllTransposed",
     .a = {6, 37},
     .b = {6, 37},
     .out = {6, 37},
     .layout_a = Layout::transposed,
     .layout_b = Layout::transposed,
     .layout_out = Layout::transposed},
    {.name = "Padded",
     .a = {4, 3, 19},
     .b = {4, 3, 19},
     .out = {4, 3, 19},
     .layout_a = Layout::padded,
     .layout_b = Layout::spread,
     .layout_out = Layout::padded},
    {.name = "ReversedOut",
     .a = {4, 3, 5, 2},
     .b = {5, 2},
     .out = {4, 3, 5, 2},
     .layout_out = Layout::reversed},
    {.name = "EightDimensions",
     .a = {2, 1, 3, 1, 2, 1, 2, 3},
     .b = {1, 2, 1, 2, 1, 2, 1, 3},
     .out = {2, 2, 3, 2, 2, 2, 2, 3}},
    {.name = "Empty", .a = {0, 4}, .b = {4}, .out = {0, 4}},
    {.name = "AlignedSame",
     .a = {3, 37},
     .b = {3, 37},
     .out = {3, 37},
     .alignment = Alignment::vector},
    {.name = "AlignedRow", .a = {5, 24}, .b = {24}, .out = {5, 24}, .alignment = Alignment::vector},
    {.name = "AlignedOddRow",
     .a = {5, 21},
     .b = {21},
     .out = {5, 21},
     .alignment = Alignment::vector},
    {.name = "AlignedColumn",
     .a = {5, 1},
     .b = {5, 40},
     .out = {5, 40},
     .alignment = Alignment::vector},
    {.name = "AlignedTokens",
     .a = {3, 7, 16},
     .b = {3, 1, 16},
     .out = {3, 7, 16},
     .alignment = Alignment::vector},
    {.name = "AlignedPadded",
     .a = {4, 29},
     .b = {29},
     .out = {4, 29},
     .layout_a = Layout::padded,
     .layout_out = Layout::padded,
     .alignment = Alignment::vector},
};

std::ostream& operator<<(std::ostream& stream, const BinaryCase& item) {
    return stream << item.name;
}

/// The element of `shape` that element `index` of `out` reads (numpy's rule).
std::int64_t broadcast_index(std::int64_t index, const Shape& out, const Shape& shape) {
    std::int64_t result = 0;
    std::int64_t step = 1;
    for (int i = 1; i <= out.rank(); ++i) {
        const std::int64_t at = index % out[-i];
        index /= out[-i];
        if (i > shape.rank()) continue;
        result += (shape[-i] == 1 ? 0 : at) * step;
        step *= shape[-i];
    }
    return result;
}

double apply(BinaryOperation operation, double a, double b) {
    switch (operation) {
        case BinaryOperation::add:
            return a + b;
        case BinaryOperation::subtract:
            return a - b;
        case BinaryOperation::multiply:
            return a * b;
        case BinaryOperation::divide:
            return a / b;
    }
    return nan;
}

class ElementwiseBinary : public ::testing::TestWithParam<BinaryCase> {};

TEST_P(ElementwiseBinary, RoundsTheExactResultOnce) {
    const BinaryCase& item = GetParam();
    using enum BinaryOperation;
    for (const DType dtype : floating) {
        for (const BinaryOperation operation : {add, subtract, multiply, divide}) {
            SameBits same_bits;
            const bool is_on_devices = item.out.numel() < 4000 || operation == add;
            for (const Way& way : ways_of({"plain"}, devices_if(is_on_devices))) {
                Random random(8);
                const Alignment alignment = item.alignment;
                const Operand a =
                    Operand(dtype, item.a, item.layout_a, alignment).randomise(random);
                const Operand b =
                    Operand(dtype, item.b, item.layout_b, alignment).randomise(random);
                const Operand out(dtype, item.out, item.layout_out, alignment);
                EXPECT_TRUE(run_way(way, "binary", [&](const Context& context) {
                    binary(context,
                           {operation, a.view(context), b.view(context), out.view(context)});
                }));
                same_bits.expect(way, "out", out);
                const auto left = a.values();
                const auto right = b.values();
                std::vector<double> expected;
                for (std::int64_t i = 0; i < item.out.numel(); ++i) {
                    expected.push_back(apply(operation, left[broadcast_index(i, item.out, item.a)],
                                             right[broadcast_index(i, item.out, item.b)]));
                }
                const std::string what = std::string(name_of(dtype)) + rerun(way, "binary");
                expect_close(out.values(), expected, tolerances(expected, dtype), what);
                EXPECT_TRUE(out.guards_are_intact()) << what;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, ElementwiseBinary, ::testing::ValuesIn(binary_cases),
                         [](const auto& item) { return item.param.name; });

TEST(Elementwise, BinaryWorksInPlace) {
    for (const DType dtype : floating) {
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            Random random(9);
            const Operand a =
                Operand(dtype, {33, 19}, Layout::contiguous, Alignment::vector).randomise(random);
            const Operand b =
                Operand(dtype, {19}, Layout::contiguous, Alignment::vector).randomise(random);
            const auto left = a.values();
            const auto right = b.values();
            std::vector<double> expected;
            for (std::size_t i = 0; i < 33 * 19; ++i) expected.push_back(left[i] + right[i % 19]);
            run_way(way, "binary", [&](const Context& context) {
                binary(context,
                       {BinaryOperation::add, a.view(context), b.view(context), a.view(context)});
            });
            expect_close(a.values(), expected, tolerances(expected, dtype),
                         "a += b" + rerun(way, "binary"));
        }
    }
}

struct Function {
    const char* name;
    UnaryOperation operation;
    double (*value)(double);
    double (*derivative)(double);
    double low;
    double high;
};

const Function functions[] = {
    {"Negative", UnaryOperation::negative, [](double x) { return -x; }, [](double) { return -1.0; },
     -5, 5},
    {"Exponential", UnaryOperation::exponential, [](double x) { return std::exp(x); },
     [](double x) { return std::exp(x); }, -80, 80},
    {"Logarithm", UnaryOperation::logarithm, [](double x) { return std::log(x); },
     [](double x) { return 1 / x; }, 2.0, 1e6},
    {"SquareRoot", UnaryOperation::square_root, [](double x) { return std::sqrt(x); },
     [](double x) { return 0.5 / std::sqrt(x); }, 1e-3, 1e6},
    {"Tanh", UnaryOperation::tanh, [](double x) { return std::tanh(x); },
     [](double x) { return 1 - std::tanh(x) * std::tanh(x); }, -1.2, 1.2},
    {"Relu", UnaryOperation::relu, [](double x) { return std::max(x, 0.0); },
     [](double x) { return x > 0 ? 1.0 : 0.0; }, -3, 3},
    {"Sigmoid", UnaryOperation::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); },
     [](double x) { return std::exp(-x) / (1 + std::exp(-x)) / (1 + std::exp(-x)); }, -20, 2},
    {"Sine", UnaryOperation::sine, [](double x) { return std::sin(x); },
     [](double x) { return std::cos(x); }, -1.5, 1.5},
    {"Cosine", UnaryOperation::cosine, [](double x) { return std::cos(x); },
     [](double x) { return -std::sin(x); }, -1.5, 1.5},
    {"Square", UnaryOperation::square, [](double x) { return x * x; },
     [](double x) { return 2 * x; }, -9, 9},
};

std::ostream& operator<<(std::ostream& stream, const Function& item) {
    return stream << item.name;
}

class ElementwiseUnary : public ::testing::TestWithParam<Function> {};

TEST_P(ElementwiseUnary, ValueAndDerivativeMatchF64) {
    const Function& item = GetParam();
    for (const DType dtype : floating) {
        for (const Layout layout : {Layout::contiguous, Layout::padded, Layout::transposed}) {
            SameBits same_bits;
            for (const Way& way : ways_of({"plain"}, {"device"})) {
                Random random(10);
                std::vector<double> points(13 * 41);
                for (double& point : points) point = random.uniform(item.low, item.high);
                const Shape shape = {13, 41};
                const Alignment alignment =
                    layout == Layout::contiguous ? Alignment::vector : Alignment::element;
                const Operand x = Operand(dtype, shape, layout, alignment).set(points);
                const Operand dy =
                    Operand(dtype, shape, Layout::contiguous, alignment).randomise(random);
                const Operand y(dtype, shape, Layout::contiguous, alignment);
                const Operand dx(dtype, shape, layout, alignment);
                if (!run_way(way, "*", [&](const Context& context) {
                        unary(context, {item.operation, x.view(context), y.view(context)});
                        unary_backward(context, {item.operation, x.view(context), dy.view(context),
                                                 dx.view(context)});
                    })) {
                    EXPECT_EQ(dtype, DType::f64);
                    continue;
                }
                same_bits.expect(way, "y", y);
                same_bits.expect(way, "dx", dx);
                std::vector<double> expected_y;
                std::vector<double> expected_dx;
                std::vector<double> tolerance_dx;
                const auto gradients = dy.values();
                points = x.values();
                for (std::size_t i = 0; i < points.size(); ++i) {
                    expected_y.push_back(item.value(points[i]));
                    expected_dx.push_back(gradients[i] * item.derivative(points[i]));
                    // 1 - tanh^2 cancels down to a quarter of its terms.
                    tolerance_dx.push_back(4.0 * rounding_of(dtype) * std::abs(expected_dx[i]) +
                                           1e-37);
                }
                const std::string what = std::string(name_of(dtype)) + rerun(way, "*");
                expect_close(y.values(), expected_y, tolerances(expected_y, dtype, 2.0),
                             "y " + what);
                expect_close(dx.values(), expected_dx, tolerance_dx, "dx " + what);
                EXPECT_TRUE(y.guards_are_intact() && dx.guards_are_intact()) << what;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Functions, ElementwiseUnary, ::testing::ValuesIn(functions),
                         [](const auto& item) { return item.param.name; });

TEST(Elementwise, ExponentialIsWithinTwoUlpAndMeetsItsLimits) {
    std::vector<double> points;
    for (double x = -86.9; x < 88.7; x += 0.00217) points.push_back(double{float(x)});
    const std::size_t regular = points.size();
    for (const double x : {-200.0, 89.0, 1e30, infinity, -infinity, nan, 0.0}) points.push_back(x);
    const Shape shape = {static_cast<std::int64_t>(points.size())};
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        const Operand x = Operand(DType::f32, shape).set(points);
        run_way(way, "unary", [&](const Context& context) {
            unary(context, {UnaryOperation::exponential, x.view(context), x.view(context)});
        });
        const auto y = x.values();
        for (std::size_t i = 0; i < regular; ++i) {
            ASSERT_NEAR(y[i] / std::exp(points[i]), 1.0, 2.0 * ulp_of(DType::f32)) << points[i];
        }
        const std::vector<double> limits(y.begin() + static_cast<std::ptrdiff_t>(regular), y.end());
        expect_close(limits, {0.0, infinity, infinity, infinity, 0.0, nan, 1.0}, 0.0, "limits");
    }
}

TEST(Elementwise, ReluKeepsNan) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        const Operand x = Operand(DType::f32, {3}).set({nan, -1.0, 2.0});
        run_way(way, "unary", [&](const Context& context) {
            unary(context, {UnaryOperation::relu, x.view(context), x.view(context)});
        });
        expect_close(x.values(), {nan, 0.0, 2.0}, 0.0, "relu");
    }
}

TEST(Elementwise, AffineRoundsOnce) {
    for (const DType dtype : floating) {
        for (const Layout layout : {Layout::padded, Layout::contiguous}) {
            SameBits same_bits;
            for (const Way& way : ways_of({"plain"}, {"device"})) {
                Random random(11);
                const Operand x =
                    Operand(dtype, {7, 33}, layout, Alignment::vector).randomise(random);
                const Operand out(dtype, {7, 33}, Layout::contiguous, Alignment::vector);
                EXPECT_TRUE(run_way(way, "affine", [&](const Context& context) {
                    affine(context, {x.view(context), -1.7, 0.3, out.view(context)});
                }));
                std::vector<double> expected;
                std::vector<double> tolerance;
                for (const double value : x.values()) {
                    expected.push_back(-1.7 * value + 0.3);
                    tolerance.push_back(0.502 * ulp_of(dtype) * std::abs(expected.back()) +
                                        1e-16 * std::abs(value));
                }
                const std::string what = std::string(name_of(dtype)) + rerun(way, "affine");
                expect_close(out.values(), expected, tolerance, what);
                EXPECT_TRUE(out.guards_are_intact()) << what;
                same_bits.expect(way, "out", out);
            }
        }
    }
}

struct CopyCase {
    const char* name;
    Shape shape;
    Layout from;
    Layout to;
    Alignment alignment = Alignment::element;
};

const CopyCase copy_cases[] = {
    {"Contiguous", {5, 37}, Layout::contiguous, Layout::contiguous},
    {"Scalar", {}, Layout::contiguous, Layout::contiguous},
    {"FromPadded", {5, 37}, Layout::padded, Layout::contiguous},
    {"ToPadded", {2, 5, 37}, Layout::contiguous, Layout::padded},
    {"FromTransposed", {67, 37}, Layout::transposed, Layout::contiguous},
    {"ToTransposed", {67, 37}, Layout::contiguous, Layout::transposed},
    {"TransposedLarge", {130, 219}, Layout::transposed, Layout::contiguous},
    {"BatchTransposed", {3, 33, 65}, Layout::transposed, Layout::contiguous},
    {"BatchTransposedToPadded", {3, 33, 65}, Layout::transposed, Layout::padded},
    {"Reversed", {3, 4, 5, 6}, Layout::reversed, Layout::contiguous},
    {"ReversedLarge", {33, 5, 34, 3}, Layout::reversed, Layout::padded},
    {"Spread", {9, 31}, Layout::spread, Layout::spread},
    {"Empty", {3, 0}, Layout::contiguous, Layout::contiguous},
    {"AlignedContiguous", {5, 67}, Layout::contiguous, Layout::contiguous, Alignment::vector},
    {"AlignedSameLayout", {5, 64}, Layout::transposed, Layout::transposed, Alignment::vector},
    {"AlignedFromPadded", {3, 61}, Layout::padded, Layout::contiguous, Alignment::vector},
    {"AlignedBatchTransposed",
     {2, 40, 24},
     Layout::transposed,
     Layout::contiguous,
     Alignment::vector},
};

std::ostream& operator<<(std::ostream& stream, const CopyCase& item) {
    return stream << item.name;
}

class ElementwiseCopy : public ::testing::TestWithParam<CopyCase> {};

TEST_P(ElementwiseCopy, MovesEveryElementAndConvertsIt) {
    const CopyCase& item = GetParam();
    const std::array dtypes = {DType::f32, DType::f64, DType::bf16,
                               DType::i32, DType::i64, DType::u8};
    for (const DType from : dtypes) {
        for (const DType to : dtypes) {
            SameBits same_bits;
            const bool is_on_devices = item.shape.numel() < 4000 ||
                                       (from == to && to != DType::f64 && to != DType::i32) ||
                                       (from == DType::bf16 && to == DType::f32);
            for (const Way& way : ways_of({"plain"}, devices_if(is_on_devices))) {
                Random random(12);
                std::vector<double> values(item.shape.numel());
                // Small enough for u8, fractions only where both sides can hold them.
                for (double& value : values) value = static_cast<double>(random.below(200));
                if (is_floating(from) && is_floating(to)) {
                    for (double& value : values) value = random.normal();
                }
                const Operand x = Operand(from, item.shape, item.from, item.alignment).set(values);
                const Operand out(to, item.shape, item.to, item.alignment);
                EXPECT_TRUE(run_way(way, "copy", [&](const Context& context) {
                    copy(context, {x.view(context), out.view(context)});
                }));
                same_bits.expect(way, "out", out);
                const auto expected = Operand(to, item.shape).set(x.values()).values();
                const std::string what = std::string(name_of(from)) + " -> " +
                                         std::string(name_of(to)) + rerun(way, "copy");
                expect_close(out.values(), expected, 0.0, what);
                EXPECT_TRUE(out.guards_are_intact()) << what;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, ElementwiseCopy, ::testing::ValuesIn(copy_cases),
                         [](const auto& item) { return item.param.name; });

TEST(Elementwise, CopyRepeatsABroadcastOperand) {
    for (const Way& way : ways_of({"plain"}, {"device"})) {
        const Operand row = Operand(DType::f32, {3}).set({1, 2, 3});
        const Operand out(DType::bf16, {2, 3});
        run_way(way, "copy", [&](const Context& context) {
            copy(context, {row.view(context).expanded_to({2, 3}, "test"), out.view(context)});
        });
        expect_close(out.values(), {1, 2, 3, 1, 2, 3}, 0.0, "broadcast");
    }
}

TEST(Elementwise, FillWritesEveryElementAndNoOther) {
    for (const DType dtype :
         {DType::f32, DType::f64, DType::bf16, DType::i32, DType::i64, DType::u8}) {
        for (const Layout layout : {Layout::contiguous, Layout::padded, Layout::spread}) {
            for (const Way& way : ways_of({"plain"}, {"device"})) {
                const Operand out(dtype, {7, 21}, layout, Alignment::vector);
                EXPECT_TRUE(run_way(way, "fill", [&](const Context& context) {
                    fill(context, out.view(context), 3.0);
                }));
                expect_close(out.values(), std::vector<double>(7 * 21, 3.0), 0.0, "fill");
                EXPECT_TRUE(out.guards_are_intact());
            }
        }
    }
}

TEST(ElementwiseErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Operand a(DType::f32, {3, 4});
    const Operand b(DType::f32, {3});
    const Operand half(DType::bf16, {3, 4});
    const Operand labels(DType::i64, {3, 4});
    const auto add = BinaryOperation::add;
    expect_error<ShapeError>(
        [&] {
            binary({}, {add, a.view(), b.view(), a.view()});
        },
        "binary: shapes [3] and [3, 4] do not broadcast");
    expect_error<ShapeError>(
        [&] {
            binary({}, {add, a.view(), a.view(), b.view()});
        },
        "binary: shapes [3, 4] and [3] do not broadcast");
    expect_error<DTypeError>(
        [&] {
            binary({}, {add, a.view(), half.view(), a.view()});
        },
        "binary: b must be f32, got bf16");
    expect_error<DTypeError>(
        [&] {
            unary({}, {UnaryOperation::square, labels.view(), labels.view()});
        },
        "unary: x must be f32, f64 or bf16, got i64");
    expect_error<ShapeError>(
        [&] {
            copy({}, {a.view(), b.view()});
        },
        "copy: out must be [3, 4], got [3]");
    expect_error<UsageError>([&] { fill({}, View(), 1.0); }, "fill: out is missing");
}

}  // namespace
}  // namespace balmer::kernels
