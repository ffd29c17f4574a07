#pragma once
// The cases of gemm's tests: operands, and what must come out of them by a triple loop in f64.

#include <ostream>

#include "kernels/gemm/gemm.h"
#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels::testing {

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

inline const GemmCase gemm_cases[] = {
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

inline std::ostream& operator<<(std::ostream& stream, const GemmCase& item) {
    return stream << item.name;
}

inline double gelu_of(double p) {
    return 0.5 * p * std::erfc(-p / std::sqrt(2.0));
}
inline double gelu_derivative_of(double p) {
    return 0.5 * std::erfc(-p / std::sqrt(2.0)) +
           p * std::exp(-0.5 * p * p) / std::sqrt(2.0 * std::acos(-1.0));
}

/// The operands of a case, and what must come out of them.
struct GemmProblem {
    Operand a, b, c, d, bias, auxiliary, bias_gradient;
    GemmArguments arguments;
    std::vector<double> expected_d, expected_auxiliary, expected_bias_gradient;
    std::vector<double> magnitude;  ///< sum of the absolute values added up to each element
    std::vector<double> gradient_magnitude;  ///< the same for bias_gradient

    GemmProblem(const GemmCase& item, DType input, DType output,
                Alignment alignment = Alignment::element) {
        Random random(17);
        const DType statistics = statistics_dtype(input);
        const bool has_bias =
            item.has_bias && (item.epilogue == Epilogue::bias || item.epilogue == Epilogue::gelu);
        a = Operand(input,
                    item.transpose_a ? Shape{item.batch, item.k, item.m}
                                     : Shape{item.batch, item.m, item.k},
                    item.layout, alignment);
        b = Operand(input,
                    item.transpose_b ? Shape{item.batch, item.n, item.k}
                                     : Shape{item.batch, item.k, item.n},
                    item.layout, alignment);
        d = Operand(output, {item.batch, item.m, item.n}, item.layout, alignment);
        a.randomise(random);
        b.randomise(random, 0.4);
        if (has_bias) bias = Operand(statistics, {item.n}).randomise(random);
        if (item.beta != 0.0) {
            c = Operand(output, d.shape(), item.layout, alignment).randomise(random);
            if (!item.is_c_apart) d.set(c.values());
        }
        const bool is_gradient = item.epilogue == Epilogue::gelu_gradient;
        if (is_gradient || (item.epilogue == Epilogue::gelu && item.has_side_output)) {
            auxiliary = Operand(output, d.shape(), item.layout, alignment);
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

}  // namespace balmer::kernels::testing
