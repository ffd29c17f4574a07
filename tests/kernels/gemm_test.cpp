// kernels/gemm against a triple loop in f64.

#include "kernels/gemm/gemm.h"

#include "tests/kernels/gemm_problem.h"

namespace balmer::kernels {
namespace {

using namespace testing;

class Gemm : public ::testing::TestWithParam<GemmCase> {};

/// f32 and f64: each element within a few rounding errors of the absolute values added up for it.
TEST_P(Gemm, MatchesTheF64ProductInFullPrecision) {
    for (const DType dtype : {DType::f32, DType::f64}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"onednn", "eigen", "plain"}, {"cublaslt", "eigen"})) {
            GemmProblem problem(GetParam(), dtype, dtype);
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
            same_bits.expect(way, "d", problem.d);
        }
    }
}

TEST_P(Gemm, InBf16IsAtMostTwiceAsWrongAsThePlainVersion) {
    for (const DType output : {DType::bf16, DType::f32}) {
        GemmProblem plain(GetParam(), DType::bf16, output);
        run_way({"plain", {}}, "gemm", [&](const Context& c) { gemm(c, plain.arguments); });
        // The plain version itself: one rounding of the exact result, and f32 sums.
        std::vector<double> tolerance;
        for (std::size_t i = 0; i < plain.magnitude.size(); ++i) {
            tolerance.push_back(0.51 * ulp_of(output) * std::abs(plain.expected_d[i]) +
                                4.0 * ulp_of(DType::f32) * plain.magnitude[i]);
        }
        expect_close(plain.d.values(), plain.expected_d, tolerance, "plain d");
        for (const Way& way : ways_of({"onednn", "eigen"}, {"cublaslt", "eigen"})) {
            GemmProblem problem(GetParam(), DType::bf16, output);
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
        GemmProblem one(GetParam(), DType::f32, DType::f32);
        GemmProblem two(GetParam(), DType::f32, DType::f32);
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

INSTANTIATE_TEST_SUITE_P(Cases, Gemm, ::testing::ValuesIn(gemm_cases),
                         [](const auto& item) { return item.param.name; });

TEST(GemmValues, NanAndInfinityReachTheirRowAndColumnOnly) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
        for (const Way& way : ways_of({"onednn", "eigen", "plain"}, {"cublaslt", "eigen"})) {
            GemmProblem problem({.name = "", .m = 5, .n = 20, .k = 7}, dtype, dtype);
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
    const GemmProblem base({.name = "", .m = 4, .n = 5, .k = 6}, DType::f32, DType::f32);
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
                gemm({}, GemmProblem(item, dtype, dtype).arguments);
            } catch (const UsageError&) {
                GTEST_SKIP() << "this build has no oneDNN";
            } catch (const DeviceError& error) {
                EXPECT_NE(std::string(error.what()).find("avx512_bf16"), std::string::npos)
                    << error.what();
            }
        }
    }
}

TEST(GemmChoice, RefusesAGpuThatIsMissingOrHasNoStream) {
    const GemmProblem problem({.name = "", .m = 4, .n = 5, .k = 6}, DType::f32, DType::f32);
    Context context;
    context.device.type = DeviceType::cuda;
    EXPECT_THROW(gemm(context, problem.arguments), DeviceError);
}

}  // namespace
}  // namespace balmer::kernels
