// How products are told to cuBLASLt, without it: what it is told is executed here by the letter of
// column-major BLAS, the rest by our kernels on simt.

#include "kernels/gemm/gemm_plan.h"

#include "tests/kernels/gemm_problem.h"

namespace balmer::kernels {
namespace {

using namespace testing;

double load(const void* data, DType dtype, std::int64_t at) {
    return dtype == DType::bf16 ? static_cast<const bfloat16*>(data)[at]
                                : static_cast<const float*>(data)[at];
}

void store(void* data, DType dtype, std::int64_t at, double value) {
    if (dtype == DType::bf16) {
        static_cast<bfloat16*>(data)[at] = bfloat16(value);
    } else {
        static_cast<float*>(data)[at] = static_cast<float>(value);
    }
}

double tanh_of(double p) {
    return std::tanh(std::sqrt(2.0 / std::acos(-1.0)) * (p + 0.044715 * p * p * p));
}
double library_gelu(double p) {
    return 0.5 * p * (1.0 + tanh_of(p));
}
double library_gelu_derivative(double p) {
    const double t = tanh_of(p);
    const double slope = std::sqrt(2.0 / std::acos(-1.0)) * (1.0 + 3.0 * 0.044715 * p * p);
    return 0.5 * (1.0 + t) + 0.5 * p * (1.0 - t * t) * slope;
}

/// Element (i, j) of op(x).
std::int64_t place(const ColumnMajorMatrix& x, bool transpose, std::int64_t i, std::int64_t j) {
    return transpose ? j + i * x.leading : i + j * x.leading;
}

/// What the library demands of a product.
void expect_acceptable(const ColumnMajorProduct& p, const ProductOperands& operands) {
    const auto rows = [](const ColumnMajorMatrix& x, bool t) { return t ? x.columns : x.rows; };
    const auto columns = [](const ColumnMajorMatrix& x, bool t) { return t ? x.rows : x.columns; };
    EXPECT_EQ(rows(p.a, p.transpose_a), p.d.rows);
    EXPECT_EQ(columns(p.b, p.transpose_b), p.d.columns);
    EXPECT_EQ(columns(p.a, p.transpose_a), rows(p.b, p.transpose_b));
    for (const ColumnMajorMatrix* x : {&p.a, &p.b, &p.d}) EXPECT_GE(x->leading, x->rows);
    if (!has_auxiliary(p.epilogue)) return;
    EXPECT_EQ(p.d.leading % 8, 0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(operands.auxiliary) % 16, 0U);
    EXPECT_TRUE(p.batch == 1 || p.d.stride % 8 == 0);
}

/// One product, by the letter.
bool multiply(const ColumnMajorProduct& p, const ProductOperands& operands) {
    expect_acceptable(p, operands);
    const std::int64_t depth = p.transpose_a ? p.a.rows : p.a.columns;
    const LibraryEpilogue epilogue = p.epilogue;
    const bool has_gradient =
        epilogue == LibraryEpilogue::dgelu || epilogue == LibraryEpilogue::dgelu_row_sums;
    std::vector<double> row_sums(p.d.rows, 0.0);
    for (std::int64_t g = 0; g < p.batch; ++g) {
        for (std::int64_t j = 0; j < p.d.columns; ++j) {
            for (std::int64_t i = 0; i < p.d.rows; ++i) {
                double sum = 0.0;
                for (std::int64_t k = 0; k < depth; ++k) {
                    sum += load(operands.a, p.a.dtype,
                                g * p.a.stride + place(p.a, p.transpose_a, i, k)) *
                           load(operands.b, p.b.dtype,
                                g * p.b.stride + place(p.b, p.transpose_b, k, j));
                }
                const std::int64_t at = g * p.d.stride + i + j * p.d.leading;
                sum *= p.alpha;
                if (p.beta != 0.0) sum += p.beta * load(operands.c, p.d.dtype, at);
                if (has_bias(epilogue)) sum += load(operands.vector, p.vector_dtype, i);
                if (epilogue == LibraryEpilogue::gelu_aux ||
                    epilogue == LibraryEpilogue::gelu_aux_bias) {
                    store(operands.auxiliary, p.d.dtype, at, sum);
                }
                if (has_gradient) {
                    sum *= library_gelu_derivative(load(operands.auxiliary, p.d.dtype, at));
                } else if (epilogue != LibraryEpilogue::none && epilogue != LibraryEpilogue::bias &&
                           epilogue != LibraryEpilogue::column_sums_of_b) {
                    sum = library_gelu(sum);
                }
                store(operands.d, p.d.dtype, at, sum);
                row_sums[i] += sum;
            }
        }
    }
    if (epilogue == LibraryEpilogue::dgelu_row_sums) {
        for (std::int64_t i = 0; i < p.d.rows; ++i) {
            store(operands.vector, p.vector_dtype, i, row_sums[i]);
        }
    }
    if (epilogue == LibraryEpilogue::column_sums_of_b) {
        for (std::int64_t j = 0; j < p.d.columns; ++j) {
            double sum = 0.0;
            for (std::int64_t k = 0; k < depth; ++k) {
                sum += load(operands.b, p.b.dtype, place(p.b, p.transpose_b, k, j));
            }
            store(operands.vector, p.vector_dtype, j, sum);
        }
    }
    return true;
}

struct Kind {
    DType input;
    DType output;
    Fusion fusion;
    Alignment alignment;
};

std::vector<Kind> kinds() {
    std::vector<Kind> result;
    for (const auto& [input, output] :
         {std::pair{DType::f32, DType::f32}, std::pair{DType::bf16, DType::bf16},
          std::pair{DType::bf16, DType::f32}}) {
        for (const Fusion fusion : {Fusion::full, Fusion::narrow_vectors, Fusion::product_only}) {
            for (const Alignment alignment : {Alignment::element, Alignment::vector}) {
                result.push_back({input, output, fusion, alignment});
            }
        }
    }
    return result;
}

class GemmPlans : public ::testing::TestWithParam<GemmCase> {};

TEST_P(GemmPlans, GiveTheProductHoweverMuchTheLibraryFuses) {
    for (const Kind& kind : kinds()) {
        GemmProblem plain(GetParam(), kind.input, kind.output);
        run_way({"plain", {}}, "gemm", [&](const Context& c) { gemm(c, plain.arguments); });
        SameBits same_bits;
        for (const std::uint64_t seed : simt_seeds()) {
            const Way way = {"plan", simt_context(seed)};
            const GemmProblem problem(GetParam(), kind.input, kind.output, kind.alignment);
            const GemmPlan plan = plan_of(problem.arguments, kind.fusion);
            if (seed > 0 && !plan.finishes) break;
            EXPECT_TRUE(run_plan<DeviceType::simt>(way.context, problem.arguments, plan, multiply));
            const std::string what =
                std::string(name_of(kind.input)) + " -> " + std::string(name_of(kind.output)) +
                ", fusion " + std::to_string(static_cast<int>(kind.fusion)) + rerun(way, "gemm");
            // In f32 the plain version's own error may be nil: a few roundings of what was added
            // up.
            const double rounding =
                4.0 * ulp_of(kind.output) * (scale_of(plain.magnitude) + ulp_of(kind.output));
            const auto tolerance = [&](const Operand& output, const std::vector<double>& expected) {
                return rounding + low_precision_tolerance(output.values(), expected, kind.output);
            };
            expect_close(problem.d.values(), plain.expected_d, tolerance(plain.d, plain.expected_d),
                         "d " + what);
            if (!plain.expected_auxiliary.empty()) {
                expect_close(problem.auxiliary.values(), plain.expected_auxiliary,
                             tolerance(plain.auxiliary, plain.expected_auxiliary),
                             "auxiliary " + what);
            }
            if (problem.bias_gradient) {
                expect_close(problem.bias_gradient.values(), plain.expected_bias_gradient,
                             tolerance(plain.bias_gradient, plain.expected_bias_gradient),
                             "bias_gradient " + what);
            }
            problem.expect_inputs_and_guards_intact(what);
            same_bits.expect(way, "d", problem.d);
        }
    }
}

std::vector<GemmCase> small_cases() {
    std::vector<GemmCase> result;
    for (const GemmCase& item : gemm_cases) {
        if (item.m * item.n * item.k < 200000) result.push_back(item);
    }
    return result;
}

INSTANTIATE_TEST_SUITE_P(Cases, GemmPlans, ::testing::ValuesIn(small_cases()),
                         [](const auto& item) { return item.param.name; });

LibraryEpilogue fused(const GemmCase& item, DType input, DType output, bool& is_whole) {
    const GemmProblem problem(item, input, output, Alignment::vector);
    const GemmPlan plan = plan_of(problem.arguments, Fusion::full);
    is_whole = !plan.finishes && !plan.sums_afterwards && !plan.adds_bias;
    return plan.product.epilogue;
}

constexpr GemmCase projection = {
    .name = "", .m = 4, .n = 24, .k = 8, .transpose_b = true, .epilogue = Epilogue::bias};
constexpr GemmCase expansion = {
    .name = "", .m = 4, .n = 32, .k = 8, .transpose_b = true, .epilogue = Epilogue::gelu};
constexpr GemmCase expansion_gradient = {
    .name = "", .m = 4, .n = 32, .k = 8, .epilogue = Epilogue::gelu_gradient};
constexpr GemmCase weight_gradient = {
    .name = "", .m = 32, .n = 8, .k = 4, .transpose_a = true, .epilogue = Epilogue::row_sum_a};

TEST(GemmPlan, TouchesNothingWhereTheLibraryHasNothing) {
    for (const Fusion fusion : {Fusion::full, Fusion::narrow_vectors, Fusion::product_only}) {
        const GemmProblem problem(expansion, DType::bf16, DType::bf16, Alignment::vector);
        const auto before = problem.d.bytes();
        const GemmPlan plan = plan_of(problem.arguments, fusion);
        EXPECT_FALSE(run_plan<DeviceType::simt>(
            simt_context(0), problem.arguments, plan,
            [](const ColumnMajorProduct&, const ProductOperands&) { return false; }));
        EXPECT_TRUE(problem.d.bytes() == before);
    }
}

TEST(GemmPlan, LeavesTheWholeProductsOfABf16TransformerToTheLibrary) {
    const std::pair<GemmCase, LibraryEpilogue> products[] = {
        {projection, LibraryEpilogue::bias},
        {expansion, LibraryEpilogue::gelu_aux_bias},
        {expansion_gradient, LibraryEpilogue::dgelu_row_sums},
        {weight_gradient, LibraryEpilogue::column_sums_of_b},
    };
    for (const auto& [item, epilogue] : products) {
        bool is_whole = false;
        EXPECT_EQ(fused(item, DType::bf16, DType::bf16, is_whole), epilogue);
        EXPECT_TRUE(is_whole);
    }
}

TEST(GemmPlan, KeepsTheTanhFormulaOutOfF32Output) {
    for (const DType input : {DType::f32, DType::bf16}) {
        bool is_whole = true;
        EXPECT_EQ(fused(expansion, input, DType::f32, is_whole), LibraryEpilogue::bias);
        EXPECT_FALSE(is_whole);
        EXPECT_EQ(fused(expansion_gradient, input, DType::f32, is_whole), LibraryEpilogue::none);
        EXPECT_FALSE(is_whole);
    }
}

TEST(GemmPlan, NarrowsVectorsOfBf16OutputOnly) {
    for (const DType output : {DType::bf16, DType::f32}) {
        const GemmProblem problem(projection, DType::bf16, output);
        EXPECT_EQ(plan_of(problem.arguments, Fusion::full).product.vector_dtype, DType::f32);
        EXPECT_EQ(plan_of(problem.arguments, Fusion::narrow_vectors).product.vector_dtype, output);
    }
}

TEST(GemmPlan, LetsTheProductSkipAPassOverAuxiliary) {
    const GemmProblem problem(expansion, DType::f32, DType::f32);
    EXPECT_TRUE(plan_of(problem.arguments, Fusion::full).goes_to_auxiliary);
}

TEST(GemmPlan, SwapsTheOperandsAndKeepsTheirTransposes) {
    const GemmProblem problem({.name = "", .m = 3, .n = 5, .k = 7, .transpose_a = true}, DType::f32,
                              DType::f32);
    const ColumnMajorProduct product = plan_of(problem.arguments, Fusion::full).product;
    EXPECT_FALSE(product.transpose_a);
    EXPECT_TRUE(product.transpose_b);
    EXPECT_EQ(product.a, (ColumnMajorMatrix{5, 7, 5, 35, DType::f32}));
    EXPECT_EQ(product.b, (ColumnMajorMatrix{3, 7, 3, 21, DType::f32}));
    EXPECT_EQ(product.d, (ColumnMajorMatrix{5, 3, 5, 15, DType::f32}));
}

}  // namespace
}  // namespace balmer::kernels
