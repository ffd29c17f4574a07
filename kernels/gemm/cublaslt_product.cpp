#include "kernels/gemm/cublaslt_product.cuh"

#include <algorithm>
#include <bit>

#include "kernels/core/buffer.h"
#include "kernels/core/cuda_call.cuh"

namespace balmer::kernels {
namespace {

/// NVIDIA's advice for Hopper; what an algorithm does not need is not taken.
constexpr std::size_t most_workspace = std::size_t{32} << 20;

/// The largest power of two, up to 256, that divides an address.
std::uint32_t alignment_of(const void* address) {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    if (value == 0) return 256;
    return static_cast<std::uint32_t>(
        std::min<std::uintptr_t>(256, std::uintptr_t{1} << std::countr_zero(value)));
}

cudaDataType_t type_of(DType dtype) {
    return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

cublasLtEpilogue_t library_name(LibraryEpilogue epilogue) {
    switch (epilogue) {
        case LibraryEpilogue::bias:
            return CUBLASLT_EPILOGUE_BIAS;
        case LibraryEpilogue::gelu:
            return CUBLASLT_EPILOGUE_GELU;
        case LibraryEpilogue::gelu_bias:
            return CUBLASLT_EPILOGUE_GELU_BIAS;
        case LibraryEpilogue::gelu_aux:
            return CUBLASLT_EPILOGUE_GELU_AUX;
        case LibraryEpilogue::gelu_aux_bias:
            return CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
        case LibraryEpilogue::dgelu:
            return CUBLASLT_EPILOGUE_DGELU;
        case LibraryEpilogue::dgelu_row_sums:
            return CUBLASLT_EPILOGUE_DGELU_BGRAD;
        case LibraryEpilogue::column_sums_of_b:
            return CUBLASLT_EPILOGUE_BGRADB;
        case LibraryEpilogue::none:
            break;
    }
    return CUBLASLT_EPILOGUE_DEFAULT;
}

template <class Value>
void set(const MatmulDescription& description, cublasLtMatmulDescAttributes_t attribute,
         const Value& value) {
    const CublasLt& library = cublaslt();
    library.check(library.set_description(description.get(), attribute, &value, sizeof value),
                  "description of a product");
}

template <class Value>
void set(const MatmulPreference& preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const Value& value) {
    const CublasLt& library = cublaslt();
    library.check(library.set_preference(preference.get(), attribute, &value, sizeof value),
                  "preferences of a product");
}

MatrixLayout layout_of(const ColumnMajorMatrix& matrix, std::int64_t batch) {
    const CublasLt& library = cublaslt();
    cublasLtMatrixLayout_t layout = nullptr;
    library.check(library.create_layout(&layout, type_of(matrix.dtype), matrix.rows, matrix.columns,
                                        matrix.leading),
                  "layout of a matrix");
    MatrixLayout result(layout);
    if (batch > 1) {
        const auto count = static_cast<std::int32_t>(batch);
        library.check(
            library.set_layout(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
            "layout of a batch");
        library.check(library.set_layout(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                         &matrix.stride, sizeof matrix.stride),
                      "layout of a batch");
    }
    return result;
}

}  // namespace

Alignments alignments_of(const ProductOperands& operands) {
    return {alignment_of(operands.a),      alignment_of(operands.b),
            alignment_of(operands.c),      alignment_of(operands.d),
            alignment_of(operands.vector), alignment_of(operands.auxiliary)};
}

CublasLtProduct::CublasLtProduct(const ColumnMajorProduct& product, const ProductOperands& operands)
    : product_(product),
      a_(layout_of(product.a, product.batch)),
      b_(layout_of(product.b, product.batch)),
      d_(layout_of(product.d, product.batch)) {
    const CublasLt& library = cublaslt();
    cublasLtMatmulDesc_t description = nullptr;
    // Not the TF32 that looks like f32: its factors have 10 bits.
    library.check(library.create_description(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                  "description of a product");
    description_.reset(description);
    const std::int32_t transposes[] = {CUBLAS_OP_N, CUBLAS_OP_T};
    set(description_, CUBLASLT_MATMUL_DESC_TRANSA, transposes[product.transpose_a ? 1 : 0]);
    set(description_, CUBLASLT_MATMUL_DESC_TRANSB, transposes[product.transpose_b ? 1 : 0]);
    describe_epilogue();
    point_to(operands);
}

void CublasLtProduct::describe_epilogue() {
    const LibraryEpilogue epilogue = product_.epilogue;
    set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE,
        static_cast<std::uint32_t>(library_name(epilogue)));
    has_vector_ = has_bias(epilogue) || has_sums(epilogue);
    has_auxiliary_ = has_auxiliary(epilogue);
    if (has_vector_) {
        set(description_, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
            static_cast<std::int32_t>(type_of(product_.vector_dtype)));
    }
    if (has_auxiliary_) {
        set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, product_.d.leading);
        set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE,
            product_.batch > 1 ? product_.d.stride : std::int64_t{0});
    }
}

void CublasLtProduct::point_to(const ProductOperands& operands) {
    if (has_vector_) set(description_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.vector);
    if (has_auxiliary_) {
        set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, operands.auxiliary);
    }
}

void CublasLtProduct::choose_algorithm(int device, bool is_deterministic,
                                       const Alignments& alignments) {
    const CublasLt& library = cublaslt();
    cublasLtMatmulPreference_t created = nullptr;
    library.check(library.create_preference(&created), "preferences of a product");
    const MatmulPreference preference(created);
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{most_workspace});
    // Sums of split-K parts in the output's type would lose the accumulator's precision, and those
    // in place depend on who comes first.
    std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    if (!is_deterministic && product_.d.dtype == DType::f32) {
        reductions |= CUBLASLT_REDUCTION_SCHEME_INPLACE;
    }
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments[0]);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments[1]);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        std::min(alignments[2], alignments[3]));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments[3]);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status =
        library.get_heuristic(cublaslt_handle(device), description_.get(), a_.get(), b_.get(),
                              d_.get(), d_.get(), preference.get(), 1, &found, &count);
    if (status == CUBLAS_STATUS_SUCCESS && count > 0) {
        algorithm_ = found;
    } else if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE) {
        library.check(status, "cublasLtMatmulAlgoGetHeuristic");
    }
}

void CublasLtProduct::run(const Context& context, const ProductOperands& operands) {
    const CublasLt& library = cublaslt();
    point_to(operands);
    Buffer workspace;
    if (algorithm_->workspaceSize > 0) workspace = Buffer(context, algorithm_->workspaceSize);
    const auto alpha = static_cast<float>(product_.alpha);
    const auto beta = static_cast<float>(product_.beta);
    const void* c = product_.beta != 0.0 ? operands.c : operands.d;
    library.check(library.matmul(cublaslt_handle(context.device.index), description_.get(), &alpha,
                                 operands.a, a_.get(), operands.b, b_.get(), &beta, c, d_.get(),
                                 operands.d, d_.get(), &algorithm_->algo, workspace.data(),
                                 algorithm_->workspaceSize, cuda_stream(context)),
                  "cublasLtMatmul");
}

}  // namespace balmer::kernels
