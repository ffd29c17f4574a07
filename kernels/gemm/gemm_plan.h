#pragma once
// How a product is done with a library of column-major products (cuBLASLt): what the library is
// told, and what is left for kernels of our own. Nothing here needs a GPU.
//
// A row-major matrix [r, c] is, read column-major, its transpose [c, r] with the same leading
// dimension. So D = op(A) op(B) is D' = op(B)' op(A)': the library's A is our B, its B our A, and
// no transpose flag changes.

#include <cstdint>
#include <functional>

#include "kernels/gemm/gemm.h"

namespace balmer::kernels {

/// rows x columns, element (i, j) at i + j * leading; `stride` elements to the next of a batch.
struct ColumnMajorMatrix {
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t leading = 0;
    std::int64_t stride = 0;
    DType dtype = DType::f32;

    bool operator==(const ColumnMajorMatrix&) const = default;
};

/// What the library does to S = alpha op(A) op(B) + beta C [M, N] before it stores D. Its GELU is
/// the tanh formula. `bias` [M] is added to every column.
enum class LibraryEpilogue : std::uint8_t {
    none,             ///< D = S
    bias,             ///< D = S + bias
    gelu,             ///< D = gelu(S)
    gelu_bias,        ///< D = gelu(S + bias)
    gelu_aux,         ///< auxiliary = S; D = gelu(S)
    gelu_aux_bias,    ///< auxiliary = S + bias; D = gelu(auxiliary)
    dgelu,            ///< D = gelu'(auxiliary) * S
    dgelu_row_sums,   ///< the same; vector [M] = sums over the columns of D
    column_sums_of_b  ///< D = S; vector [N] = sums over k of op(B)
};

/// Whether an epilogue reads a bias, writes sums, and reads or writes an auxiliary matrix.
bool has_bias(LibraryEpilogue epilogue);
bool has_sums(LibraryEpilogue epilogue);
bool has_auxiliary(LibraryEpilogue epilogue);

struct ColumnMajorProduct {
    bool transpose_a = false;
    bool transpose_b = false;
    ColumnMajorMatrix a;
    ColumnMajorMatrix b;
    ColumnMajorMatrix d;  ///< of C and auxiliary too
    std::int64_t batch = 1;
    double alpha = 1.0;
    double beta = 0.0;
    LibraryEpilogue epilogue = LibraryEpilogue::none;
    DType vector_dtype = DType::f32;  ///< of bias, or of the sums

    bool operator==(const ColumnMajorProduct&) const = default;
};

/// The library's names for the memory of one product: a is our b, b our a.
struct ProductOperands {
    const void* a = nullptr;
    const void* b = nullptr;
    const void* c = nullptr;
    void* d = nullptr;
    void* vector = nullptr;  ///< bias, or the sums
    void* auxiliary = nullptr;
};

/// How much is asked of the library; if it has nothing for a product, the next one is tried.
enum class Fusion : std::uint8_t {
    full,            ///< every epilogue it may do within the contract
    narrow_vectors,  ///< as full, with bias and sums in bf16 (bf16 output only)
    product_only     ///< alpha, beta C and nothing else
};

struct GemmPlan {
    bool has_product = true;  ///< false for k = 0
    ColumnMajorProduct product;
    bool goes_to_auxiliary = false;  ///< the library's D is our auxiliary
    bool adds_bias = false;          ///< by our kernel, afterwards
    bool finishes = false;           ///< our kernel applies the epilogue afterwards
    bool sums_afterwards = false;    ///< bias_gradient by the reduce room

    bool operator==(const GemmPlan&) const = default;
};

/// GELU is left to the library for bf16 output only, where the tanh formula is as close to erf-GELU
/// as a second pass over rounded bf16 numbers; f32 output gets the exact erf from our kernel.
GemmPlan plan_of(const GemmArguments& arguments, Fusion fusion);

/// The library: false if it has nothing for a product.
using Multiply = std::function<bool(const ColumnMajorProduct&, const ProductOperands&)>;

/// Carries out a plan on a device; false if the library has nothing for its product: D and the
/// other results are as they were.
template <DeviceType device>
bool run_plan(const Context& context, const GemmArguments& arguments, const GemmPlan& plan,
              const Multiply& multiply);

}  // namespace balmer::kernels
