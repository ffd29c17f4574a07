#pragma once
// Matrix products with the epilogues a transformer needs. One GemmSpec says everything about a
// product; the CPU executes it literally, a GPU library gets it translated one to one.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/dtype.h"

namespace balmer::kernels {

/// What follows the product, in the accumulator's precision, before D is rounded:
///   none             D = alpha op(A) op(B) + beta C
///   bias             D = alpha op(A) op(B) + beta C + bias              (bias [n], along rows)
///   gelu             P = alpha op(A) op(B) + beta C + bias; D = gelu_erf(P); P goes to `auxiliary`
///                    when that is not null; bias may be null
///   gelu_gradient    D = gelu_erf'(auxiliary) * (alpha op(A) op(B) + beta C);
///                    bias_gradient[j] = sum over rows i of D[i, j]      ([n]) when not null
///   row_sum_a        D as for none; bias_gradient[i] = sum over k of op(A)[i, k]  ([m])
/// Bias gradients belong to one product: batch must be 1 where one is asked for.
enum class Epilogue : std::uint8_t { none, bias, gelu, gelu_gradient, row_sum_a };

/// A row-major product D [m, n] = op(A) [m, k] * op(B) [k, n]. A is stored [m, k], or [k, m] when
/// `transpose_a`; B [k, n], or [n, k] when `transpose_b`. Leading dimensions and batch strides
/// count elements. A and B have `input` dtype (f32, f64 or bf16); C, D and auxiliary `output`
/// dtype, which is the input's or its statistics dtype (bf16 -> f32). Sums are kept in f32 (f64 for
/// f64).
struct GemmSpec {
    std::int64_t m = 0;
    std::int64_t n = 0;
    std::int64_t k = 0;
    std::int64_t batch = 1;
    bool transpose_a = false;
    bool transpose_b = false;
    std::int64_t lda = 0;
    std::int64_t ldb = 0;
    std::int64_t ldd = 0;  ///< of C, D and auxiliary
    std::int64_t stride_a = 0;
    std::int64_t stride_b = 0;
    std::int64_t stride_d = 0;
    double alpha = 1.0;
    double beta = 0.0;
    Epilogue epilogue = Epilogue::none;
    DType input = DType::f32;
    DType output = DType::f32;

    bool operator==(const GemmSpec&) const = default;
};

/// The memory of one product. C may be D itself or another matrix of the same layout (a residual);
/// it is not read when beta = 0. `bias` and `bias_gradient` are of statistics dtype (f32, or f64
/// for f64 products).
struct GemmArguments {
    GemmSpec spec;
    const void* a = nullptr;
    const void* b = nullptr;
    const void* c = nullptr;
    void* d = nullptr;
    const void* bias = nullptr;
    void* auxiliary = nullptr;
    void* bias_gradient = nullptr;
};

/// Runs the product. Sizes of 0 are allowed (k = 0 leaves beta C and the epilogue). Throws
/// ShapeError for leading dimensions smaller than the rows they hold, DTypeError for dtypes out of
/// the contract, UsageError for an epilogue without its operand.
void gemm(const Context& context, const GemmArguments& arguments);

}  // namespace balmer::kernels
