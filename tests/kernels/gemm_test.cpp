// kernels/gemm against a triple loop in f64.

#include "kernels/gemm/gemm.h"

#include <ostream>

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

struct GemmCase {
    const char* name;
    std::int64_t m;
    std::int64_t n;
    std::int64_t k;
    std::int64_t batch = 1;
    bool transpose_a = false;
    bool transpose_b = false;
    Layout layout = Layout::contiguous;
    Epilogue epilogue = Epilogue::none;
    double alpha = 1.0;
    double beta = 0.0;
    bool is_c_apart = false;
    bool has_side_output = true;  ///< auxiliary of gelu, bias_gradient of gelu_gradient
    bool has_bias = true;
};

const GemmCase cases[] = {
    {.name = "OneElement", .m = 1, .n = 1, .k = 1},
    {.name = "OneRow", .m = 1, .n = 37, .k = 19},
    {.name = "OneColumn", .m = 37, .n = 1, .k = 19},
    {.name = "OddSizes", .m = 33, .n = 17, .k = 29},
    {.name = "Large", .m = 197, .n = 70, .k = 129},
    {.name = "TransposeA", .m = 13, .n = 31, .k = 23, .transpose_a = true},
    {.name = "TransposeB", .m = 13, .n = 31, .k = 23, .transpose_b = true},
    {.name = "TransposeBoth", .m = 13, .n = 31, .k = 23, .transpose_a = true, .transpose_b = true},
    {.name = "Padded", .m = 13, .n = 31, .k = 23, .layout = Layout::padded},
    {.name = "PaddedTransposeA",
     .m = 13,
     .n = 31,
     .k = 23,
     .transpose_a = true,
     .layout = Layout::padded},
    {.name = "PaddedTransposeB",
     .m = 130,
     .n = 31,
     .k = 23,
     .transpose_b = true,
     .layout = Layout::padded},
    {.name = "Batch", .m = 7, .n = 9, .k = 11, .batch = 5},
    {.name = "BatchPaddedTransposed",
     .m = 7,
     .n = 9,
     .k = 11,
     .batch = 3,
     .transpose_a = true,
     .transpose_b = true,
     .layout = Layout::padded,
     .beta = 1.0},
    {.name = "BatchBias", .m = 7, .n = 9, .k = 11, .batch = 3, .epilogue = Epilogue::bias},
    {.name = "Alpha", .m = 9, .n = 10, .k = 11, .alpha = -0.3},
    {.name = "Beta", .m = 9, .n = 10, .k = 11, .beta = 0.7},
    {.name = "AlphaBetaTransposed",
     .m = 9,
     .n = 10,
     .k = 11,
     .transpose_b = true,
     .alpha = 2.5,
     .beta = -1.5},
    {.name = "Residual",
     .m = 19,
     .n = 21,
     .k = 11,
     .layout = Layout::padded,
     .epilogue = Epilogue::bias,
     .beta = 1.0,
     .is_c_apart = true},
    {.name = "ResidualScaled", .m = 19, .n = 21, .k = 11, .beta = 0.5, .is_c_apart = true},
    {.name = "Bias", .m = 33, .n = 17, .k = 8, .epilogue = Epilogue::bias},
    {.name = "BiasAlpha", .m = 33, .n = 17, .k = 8, .epilogue = Epilogue::bias, .alpha = 0.5},
    {.name = "Gelu", .m = 33, .n = 17, .k = 8, .epilogue = Epilogue::gelu},
    {.name = "GeluWithoutAuxiliary",
     .m = 33,
     .n = 17,
     .k = 8,
     .transpose_b = true,
     .epilogue = Epilogue::gelu,
     .has_side_output = false},
    {.name = "GeluWithoutBias",
     .m = 33,
     .n = 17,
     .k = 8,
     .epilogue = Epilogue::gelu,
     .has_bias = false},
    {.name = "GeluResidualPadded",
     .m = 33,
     .n = 17,
     .k = 8,
     .layout = Layout::padded,
     .epilogue = Epilogue::gelu,
     .beta = 1.0},
    {.name = "GeluGradient", .m = 97, .n = 17, .k = 8, .epilogue = Epilogue::gelu_gradient},
    {.name = "GeluGradientPadded",
     .m = 97,
     .n = 17,
     .k = 8,
     .layout = Layout::padded,
     .epilogue = Epilogue::gelu_gradient,
     .alpha = 0.5},
    {.name = "GeluGradientWithoutBiasGradient",
     .m = 9,
     .n = 17,
     .k = 8,
     .batch = 2,
     .epilogue = Epilogue::gelu_gradient,
     .has_side_output = false},
    {.name = "RowSum", .m = 17, .n = 12, .k = 9, .epilogue = Epilogue::row_sum_a},
    {.name = "RowSumTransposedPadded",
     .m = 17,
     .n = 12,
     .k = 399,
     .transpose_a = true,
     .layout = Layout::padded,
     .epilogue = Epilogue::row_sum_a},
    {.name = "EmptyK", .m = 5, .n = 6, .k = 0, .epilogue = Epilogue::bias, .beta = 2.0},
    {.name = "EmptyM", .m = 0, .n = 6, .k = 4},
    {.name = "EmptyN", .m = 3, .n = 0, .k = 4},
    {.name = "EmptyBatch", .m = 3, .n = 5, .k = 4, .batch = 0},
};

std::ostream& operator<<(std::ostream& stream, const GemmCase& item) {
    return stream << item.name;
}

double gelu_of(double p) {
    return 0.5 * p * std::erfc(-p / std::sqrt(2.0));
}
double gelu_derivative_of(double p) {
    return 0.5 * std::erfc(-p / std::sqrt(2.0)) +
           p * std::exp(-0.5 * p * p) / std::sqrt(2.0 * std::acos(-1.0));
}

/// The operands of a case, and what must come out of them.
struct Problem {
    Operand a, b, c, d, bias, auxiliary, bias_gradient;
    GemmArguments arguments;
    std::vector<double> expected_d, expected_auxiliary, expected_bias_gradient;
    std::vector<double> magnitude;  ///< sum of the absolute values added up to each element
    std::vector<double> gradient_magnitude;  ///< the same for bias_gradient

    Problem(const GemmCase& item, DType input, DType output) {
        Random random(17);
        const DType statistics = statistics_dtype(input);
        const bool has_bias =
            item.has_bias && (item.epilogue == Epilogue::bias || item.epilogue == Epilogue::gelu);
        a = Operand(input,
                    item.transpose_a ? Shape{item.batch, item.k, item.m}
                                     : Shape{item.batch, item.m, item.k},
                    item.layout);
        b = Operand(input,
                    item.transpose_b ? Shape{item.batch, item.n, item.k}
                                     : Shape{item.batch, item.k, item.n},
                    item.layout);
        d = Operand(output, {item.batch, item.m, item.n}, item.layout);
        a.randomise(random);
        b.randomise(random, 0.4);
        if (has_bias) bias = Operand(statistics, {item.n}).randomise(random);
        if (item.beta != 0.0) {
            c = Operand(output, d.shape(), item.layout).randomise(random);
            if (!item.is_c_apart) d.set(c.values());
        }
        const bool is_gradient = item.epilogue == Epilogue::gelu_gradient;
        if (is_gradient || (item.epilogue == Epilogue::gelu && item.has_side_output)) {
            auxiliary = Operand(output, d.shape(), item.layout);
            if (is_gradient) auxiliary.randomise(random, 1.5);
        }
        if (item.epilogue == Epilogue::row_sum_a) bias_gradient = Operand(statistics, {item.m});
        if (is_gradient && item.has_side_output) bias_gradient = Operand(statistics, {item.n});

        const auto leading = [](const Operand& x) { return x.view().strides[1]; };
        const auto stride = [](const Operand& x) { return x.view().strides[0]; };
        const auto data = [](const Operand& x) -> void* { return x ? x.data() : nullptr; };
        arguments = {.spec = {.m = item.m,
                              .n = item.n,
                              .k = item.k,
                              .batch = item.batch,
                              .transpose_a = item.transpose_a,
                              .transpose_b = item.transpose_b,
                              .lda = leading(a),
                              .ldb = leading(b),
                              .ldd = leading(d),
                              .stride_a = stride(a),
                              .stride_b = stride(b),
                              .stride_d = stride(d),
                              .alpha = item.alpha,
                              .beta = item.beta,
                              .epilogue = item.epilogue,
                              .input = input,
                              .output = output},
                     .a = data(a),
                     .b = data(b),
                     .c = item.beta == 0.0 ? nullptr : data(item.is_c_apart ? c : d),
                     .d = data(d),
                     .bias = data(bias),
                     .auxiliary = data(auxiliary),
                     .bias_gradient = data(bias_gradient)};
        compute(item);
    }

    void compute(const GemmCase& item) {
        const auto x = a.values();
        const auto y = b.values();
        const auto added = c.values();
        const auto biases = bias.values();
        const auto saved = auxiliary.values();
        expected_bias_gradient.assign(bias_gradient.numel(), 0.0);
        gradient_magnitude = expected_bias_gradient;
        for (std::int64_t g = 0; g < item.batch; ++g) {
            for (std::int64_t i = 0; i < item.m; ++i) {
                for (std::int64_t j = 0; j < item.n; ++j) {
                    double sum = 0.0;
                    double absolute = 0.0;
                    for (std::int64_t k = 0; k < item.k; ++k) {
                        const double left = item.transpose_a ? x[(g * item.k + k) * item.m + i]
                                                             : x[(g * item.m + i) * item.k + k];
                        const double right = item.transpose_b ? y[(g * item.n + j) * item.k + k]
                                                              : y[(g * item.k + k) * item.n + j];
                        sum += item.alpha * left * right;
                        absolute += std::abs(item.alpha * left * right);
                    }
                    const std::size_t at = (g * item.m + i) * item.n + j;
                    if (item.beta != 0.0) sum += item.beta * added[at];
                    if (item.beta != 0.0) absolute += std::abs(item.beta * added[at]);
                    if (bias) sum += biases[j];
                    if (bias) absolute += std::abs(biases[j]);
                    if (item.epilogue == Epilogue::gelu) {
                        if (auxiliary) expected_auxiliary.push_back(sum);
                        sum = gelu_of(sum);
                    }
                    if (item.epilogue == Epilogue::gelu_gradient) {
                        sum *= gelu_derivative_of(saved[at]);
                        if (bias_gradient) expected_bias_gradient[j] += sum;
                        if (bias_gradient) gradient_magnitude[j] += absolute;
                    }
                    expected_d.push_back(sum);
                    magnitude.push_back(absolute);
                }
            }
        }
        if (item.epilogue == Epilogue::row_sum_a) {
            for (std::int64_t i = 0; i < item.m; ++i) {
                for (std::int64_t k = 0; k < item.k; ++k) {
                    const double value = item.transpose_a ? x[k * item.m + i] : x[i * item.k + k];
                    expected_bias_gradient[i] += value;
                    gradient_magnitude[i] += std::abs(value);
                }
            }
        }
    }

    void expect_inputs_and_guards_intact(const std::string& what) const {
        for (const Operand* operand : {&a, &b, &c, &d, &bias, &auxiliary, &bias_gradient}) {
            EXPECT_TRUE(operand->guards_are_intact()) << what;
        }
    }
};

class Gemm : public ::testing::TestWithParam<GemmCase> {};

/// f32 and f64: each element within a few rounding errors of the absolute values added up for it.
TEST_P(Gemm, MatchesTheF64ProductInFullPrecision) {
    for (const DType dtype : {DType::f32, DType::f64}) {
        for (const Way& way : ways_of({"onednn", "eigen", "plain"})) {
            Problem problem(GetParam(), dtype, dtype);
            const auto run = [&](const Context& context) { gemm(context, problem.arguments); };
            if (!run_way(way, "gemm", run)) continue;
            const std::string what = std::string(name_of(dtype)) + rerun(way, "gemm");
            const double unit = 4.0 * ulp_of(dtype);
            std::vector<double> tolerance;
            for (const double magnitude : problem.magnitude) {
                tolerance.push_back(unit * (magnitude + ulp_of(dtype)));
            }
            expect_close(problem.d.values(), problem.expected_d, tolerance, "d " + what);
            if (!problem.expected_auxiliary.empty()) {
                expect_close(problem.auxiliary.values(), problem.expected_auxiliary, tolerance,
                             "auxiliary " + what);
            }
            if (problem.bias_gradient) {
                tolerance.clear();
                for (const double magnitude : problem.gradient_magnitude) {
                    tolerance.push_back(unit * magnitude);
                }
                expect_close(problem.bias_gradient.values(), problem.expected_bias_gradient,
                             tolerance, "bias_gradient " + what);
            }
            problem.expect_inputs_and_guards_intact(what);
        }
    }
}

TEST_P(Gemm, InBf16IsAtMostTwiceAsWrongAsThePlainVersion) {
    for (const DType output : {DType::bf16, DType::f32}) {
        Problem plain(GetParam(), DType::bf16, output);
        run_way({"plain", {}}, "gemm", [&](const Context& c) { gemm(c, plain.arguments); });
        // The plain version itself: one rounding of the exact result, and f32 sums.
        std::vector<double> tolerance;
        for (std::size_t i = 0; i < plain.magnitude.size(); ++i) {
            tolerance.push_back(0.51 * ulp_of(output) * std::abs(plain.expected_d[i]) +
                                4.0 * ulp_of(DType::f32) * plain.magnitude[i]);
        }
        expect_close(plain.d.values(), plain.expected_d, tolerance, "plain d");
        for (const Way& way : ways_of({"onednn", "eigen"})) {
            Problem problem(GetParam(), DType::bf16, output);
            const auto run = [&](const Context& context) { gemm(context, problem.arguments); };
            if (!run_way(way, "gemm", run)) continue;
            const std::string what = "bf16 -> " + std::string(name_of(output)) + rerun(way, "gemm");
            expect_close(problem.d.values(), plain.expected_d,
                         low_precision_tolerance(plain.d.values(), plain.expected_d, output),
                         "d " + what);
            if (!plain.expected_auxiliary.empty()) {
                expect_close(problem.auxiliary.values(), plain.expected_auxiliary,
                             low_precision_tolerance(plain.auxiliary.values(),
                                                     plain.expected_auxiliary, output),
                             "auxiliary " + what);
            }
            if (problem.bias_gradient) {
                expect_close(problem.bias_gradient.values(), plain.expected_bias_gradient,
                             low_precision_tolerance(plain.bias_gradient.values(),
                                                     plain.expected_bias_gradient, output),
                             "bias_gradient " + what);
            }
            problem.expect_inputs_and_guards_intact(what);
        }
    }
}

TEST_P(Gemm, GivesTheSameBitsWithOneThreadAndWithTwo) {
    for (const Way& way : ways_of({"eigen", "plain"})) {
        Problem one(GetParam(), DType::f32, DType::f32);
        Problem two(GetParam(), DType::f32, DType::f32);
        run_way(way, "gemm", [&](Context context) {
            context.threads = 1;
            gemm(context, one.arguments);
            context.threads = 2;
            gemm(context, two.arguments);
        });
        expect_close(one.d.values(), two.d.values(), 0.0, "d" + rerun(way, "gemm"));
        expect_close(one.bias_gradient.values(), two.bias_gradient.values(), 0.0,
                     "bias_gradient" + rerun(way, "gemm"));
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, Gemm, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

TEST(GemmValues, NanAndInfinityReachTheirRowAndColumnOnly) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
        for (const Way& way : ways_of({"onednn", "eigen", "plain"})) {
            Problem problem({.name = "", .m = 5, .n = 20, .k = 7}, dtype, dtype);
            auto values = problem.a.values();
            values[2 * 7 + 3] = nan;
            problem.a.set(values);
            values = problem.b.values();
            values[4 * 20 + 11] = infinity;
            problem.b.set(values);
            const auto run = [&](const Context& context) { gemm(context, problem.arguments); };
            if (!run_way(way, "gemm", run)) continue;
            const auto d = problem.d.values();
            for (std::int64_t i = 0; i < 5; ++i) {
                for (std::int64_t j = 0; j < 20; ++j) {
                    const double value = d[i * 20 + j];
                    EXPECT_EQ(std::isnan(value), i == 2) << i << " " << j << rerun(way, "gemm");
                    EXPECT_EQ(std::isinf(value), i != 2 && j == 11) << i << " " << j;
                }
            }
        }
    }
}

TEST(GemmErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Problem base({.name = "", .m = 4, .n = 5, .k = 6}, DType::f32, DType::f32);
    const auto expect = [&]<class E>(const std::function<void(GemmArguments&)>& change,
                                     const std::string& message, type_tag<E>) {
        GemmArguments arguments = base.arguments;
        change(arguments);
        expect_error<E>([&] { gemm({}, arguments); }, message);
    };
    const type_tag<ShapeError> shape;
    const type_tag<DTypeError> dtype;
    const type_tag<UsageError> usage;
    expect([](auto& x) { x.spec.m = -1; }, "gemm: m must not be negative, got -1", shape);
    expect([](auto& x) { x.spec.lda = 5; }, "gemm: lda must be at least the row length 6, got 5",
           shape);
    expect([](auto& x) { x.spec.ldb = 4; }, "gemm: ldb must be at least the row length 5, got 4",
           shape);
    expect([](auto& x) { x.spec.ldd = 0; }, "gemm: ldd must be at least the row length 5, got 0",
           shape);
    expect([](auto& x) { x.spec.input = DType::i32; },
           "gemm: input must be f32, f64 or bf16, got i32", dtype);
    expect([](auto& x) { x.spec.output = DType::bf16; },
           "gemm: output of a product of f32 must be f32, got bf16", dtype);
    expect([](auto& x) { x.a = nullptr; }, "gemm: the product needs a", usage);
    expect([](auto& x) { x.spec.beta = 1.0; }, "gemm: beta needs c", usage);
    expect([](auto& x) { x.spec.epilogue = Epilogue::bias; }, "gemm: epilogue bias needs bias",
           usage);
    expect([](auto& x) { x.spec.epilogue = Epilogue::gelu_gradient; },
           "gemm: epilogue gelu_gradient needs auxiliary", usage);
    expect([](auto& x) { x.spec.epilogue = Epilogue::row_sum_a; },
           "gemm: epilogue row_sum_a needs bias_gradient", usage);
    expect(
        [](auto& x) {
            x.spec.epilogue = Epilogue::row_sum_a;
            x.bias_gradient = x.d;
            x.spec.batch = 2;
        },
        "gemm: a bias gradient needs batch 1, got 2", usage);
}

/// Falling back to a slower entry would go unnoticed otherwise.
TEST(GemmChoice, OneDnnTakesTheProductsOfATransformer) {
    const GemmCase products[] = {
        {.name = "", .m = 34, .n = 576, .k = 192, .transpose_b = true, .epilogue = Epilogue::bias},
        {.name = "", .m = 34, .n = 768, .k = 192, .transpose_b = true, .epilogue = Epilogue::gelu},
        {.name = "",
         .m = 34,
         .n = 192,
         .k = 768,
         .transpose_b = true,
         .epilogue = Epilogue::bias,
         .beta = 1.0,
         .is_c_apart = true},
        {.name = "", .m = 34, .n = 768, .k = 192, .epilogue = Epilogue::gelu_gradient},
        {.name = "",
         .m = 192,
         .n = 192,
         .k = 34,
         .transpose_a = true,
         .epilogue = Epilogue::row_sum_a},
    };
    const ScopedVariable forced("BALMER_CHOICE", "gemm=onednn");
    for (const DType dtype : {DType::f32, DType::bf16}) {
        for (const GemmCase& item : products) {
            try {
                gemm({}, Problem(item, dtype, dtype).arguments);
            } catch (const UsageError&) {
                GTEST_SKIP() << "this build has no oneDNN";
            } catch (const DeviceError& error) {
                EXPECT_NE(std::string(error.what()).find("avx512_bf16"), std::string::npos)
                    << error.what();
            }
        }
    }
}

TEST(GemmChoice, RefusesDevicesWithoutAnEntry) {
    const Problem problem({.name = "", .m = 4, .n = 5, .k = 6}, DType::f32, DType::f32);
    Context context;
    context.device.type = DeviceType::simt;
    EXPECT_THROW(gemm(context, problem.arguments), DeviceError);
}

}  // namespace
}  // namespace balmer::kernels
