// Matrix products on the GPU by cuBLASLt: the plan of gemm_plan.h, told to the library one to one.
// Heuristics cost about as much as a small product, so each thread keeps what they answered, with
// the library's descriptions. Split-K products (small weight gradients over many rows) come out of
// the heuristics too; sums of their parts are kept in f32, in a workspace, in a fixed order.

#include "kernels/gemm/gemm_cublaslt.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_map>

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/cuda_call.cuh"
#include "kernels/gemm/cublaslt_library.cuh"
#include "kernels/gemm/gemm_plan.h"

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

/// Everything that decides which algorithm is taken.
struct Key {
    ColumnMajorProduct product;
    int device = 0;
    bool is_deterministic = true;
    std::uint32_t alignments[6] = {};  ///< of a, b, c, d, vector, auxiliary

    bool operator==(const Key&) const = default;
};

Key key_of(const Context& context, const ColumnMajorProduct& product,
           const ProductOperands& operands) {
    return {.product = product,
            .device = context.device.index,
            .is_deterministic = context.deterministic,
            .alignments = {alignment_of(operands.a), alignment_of(operands.b),
                           alignment_of(operands.c), alignment_of(operands.d),
                           alignment_of(operands.vector), alignment_of(operands.auxiliary)}};
}

struct KeyHash {
    std::size_t operator()(const Key& key) const {
        const ColumnMajorProduct& p = key.product;
        std::size_t hash = 0;
        const auto mix = [&hash](std::size_t value) { hash = (hash ^ value) * 0x100000001b3ULL; };
        for (const ColumnMajorMatrix* matrix : {&p.a, &p.b, &p.d}) {
            mix(matrix->rows);
            mix(matrix->columns);
            mix(matrix->leading);
            mix(matrix->stride);
            mix(static_cast<std::size_t>(matrix->dtype));
        }
        mix(p.batch);
        mix(std::bit_cast<std::size_t>(p.alpha));
        mix(std::bit_cast<std::size_t>(p.beta));
        mix(static_cast<std::size_t>(p.epilogue) * 64 + static_cast<std::size_t>(p.vector_dtype));
        mix((p.transpose_a ? 1 : 0) + (p.transpose_b ? 2 : 0) + (key.is_deterministic ? 4 : 0) +
            8 * static_cast<std::size_t>(key.device));
        for (const std::uint32_t alignment : key.alignments) mix(alignment);
        return hash;
    }
};

cudaDataType_t type_of(DType dtype) {
    return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

cublasLtEpilogue_t name_of(LibraryEpilogue epilogue) {
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

/// One product, described to the library, with the algorithm its heuristics chose.
class Product {
  public:
    Product(const Key& key, const ProductOperands& operands)
        : alpha_(static_cast<float>(key.product.alpha)),
          beta_(static_cast<float>(key.product.beta)),
          a_(layout_of(key.product.a, key.product.batch)),
          b_(layout_of(key.product.b, key.product.batch)),
          d_(layout_of(key.product.d, key.product.batch)) {
        const CublasLt& library = cublaslt();
        const ColumnMajorProduct& product = key.product;
        cublasLtMatmulDesc_t description = nullptr;
        // Not the TF32 that looks like f32: its products have 10 bits.
        library.check(library.create_description(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                      "description of a product");
        description_.reset(description);
        const std::int32_t transposes[] = {CUBLAS_OP_N, CUBLAS_OP_T};
        set(description_, CUBLASLT_MATMUL_DESC_TRANSA, transposes[product.transpose_a ? 1 : 0]);
        set(description_, CUBLASLT_MATMUL_DESC_TRANSB, transposes[product.transpose_b ? 1 : 0]);
        set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE,
            static_cast<std::uint32_t>(name_of(product.epilogue)));
        describe_epilogue(product);
        point_to(operands);
        choose_algorithm(key);
    }

    bool has_algorithm() const { return algorithm_.has_value(); }

    void run(const Context& context, const ProductOperands& operands) {
        const CublasLt& library = cublaslt();
        point_to(operands);
        Buffer workspace;
        if (algorithm_->workspaceSize > 0) workspace = Buffer(context, algorithm_->workspaceSize);
        const void* c = operands.c != nullptr && beta_ != 0.0F ? operands.c : operands.d;
        library.check(
            library.matmul(cublaslt_handle(context.device.index), description_.get(), &alpha_,
                           operands.a, a_.get(), operands.b, b_.get(), &beta_, c, d_.get(),
                           operands.d, d_.get(), &algorithm_->algo, workspace.data(),
                           algorithm_->workspaceSize, cuda_stream(context)),
            "cublasLtMatmul");
    }

  private:
    void describe_epilogue(const ColumnMajorProduct& product) {
        const LibraryEpilogue epilogue = product.epilogue;
        has_vector_ = epilogue == LibraryEpilogue::bias || epilogue == LibraryEpilogue::gelu_bias ||
                      epilogue == LibraryEpilogue::gelu_aux_bias ||
                      epilogue == LibraryEpilogue::dgelu_row_sums ||
                      epilogue == LibraryEpilogue::column_sums_of_b;
        has_auxiliary_ =
            epilogue == LibraryEpilogue::gelu_aux || epilogue == LibraryEpilogue::gelu_aux_bias ||
            epilogue == LibraryEpilogue::dgelu || epilogue == LibraryEpilogue::dgelu_row_sums;
        if (has_vector_) {
            set(description_, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
                static_cast<std::int32_t>(type_of(product.vector_dtype)));
        }
        if (has_auxiliary_) {
            set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, product.d.leading);
            set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE,
                product.batch > 1 ? product.d.stride : std::int64_t{0});
        }
    }

    void point_to(const ProductOperands& operands) {
        if (has_vector_) set(description_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.vector);
        if (has_auxiliary_) {
            set(description_, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, operands.auxiliary);
        }
    }

    void choose_algorithm(const Key& key) {
        const CublasLt& library = cublaslt();
        cublasLtMatmulPreference_t created = nullptr;
        library.check(library.create_preference(&created), "preferences of a product");
        const MatmulPreference preference(created);
        set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{most_workspace});
        // Sums of split-K parts in the output's type would lose the accumulator's precision, and
        // those in place depend on who comes first.
        std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
        if (!key.is_deterministic && key.product.d.dtype == DType::f32) {
            reductions |= CUBLASLT_REDUCTION_SCHEME_INPLACE;
        }
        set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
        set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.alignments[0]);
        set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.alignments[1]);
        set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            std::min(key.alignments[2], key.alignments[3]));
        set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.alignments[3]);
        cublasLtMatmulHeuristicResult_t found{};
        int count = 0;
        const cublasStatus_t status = library.get_heuristic(
            cublaslt_handle(key.device), description_.get(), a_.get(), b_.get(), d_.get(), d_.get(),
            preference.get(), 1, &found, &count);
        if (status == CUBLAS_STATUS_SUCCESS && count > 0) {
            algorithm_ = found;
        } else if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE) {
            library.check(status, "cublasLtMatmulAlgoGetHeuristic");
        }
    }

    float alpha_ = 1.0F;
    float beta_ = 0.0F;
    bool has_vector_ = false;
    bool has_auxiliary_ = false;
    MatmulDescription description_;
    MatrixLayout a_;
    MatrixLayout b_;
    MatrixLayout d_;
    std::optional<cublasLtMatmulHeuristicResult_t> algorithm_;
};

/// The product for `key`, described at its first use in this thread.
Product& product_for(const Key& key, const ProductOperands& operands) {
    constexpr std::size_t most = 1024;
    thread_local std::unordered_map<Key, Product, KeyHash> products;
    const auto found = products.find(key);
    if (found != products.end()) return found->second;
    if (products.size() >= most) products.clear();
    return products.try_emplace(key, key, operands).first->second;
}

std::string describe(const GemmSpec& spec) {
    return std::to_string(spec.m) + " x " + std::to_string(spec.n) + " x " +
           std::to_string(spec.k) + ", " + std::string(balmer::name_of(spec.input)) + " to " +
           std::string(balmer::name_of(spec.output));
}

/// Thrown out of `run_plan` before anything was launched that D depends on.
struct NoAlgorithm {};

}  // namespace

std::string accepts_cublaslt(const Context& context, const GemmArguments& arguments) {
    return accepts_on(DeviceType::cuda, context, arguments.spec.input);
}

void gemm_cublaslt(const Context& context, const GemmArguments& arguments) {
    use_cuda_device(context.device.index);
    const auto multiply = [&context](const ColumnMajorProduct& product,
                                     const ProductOperands& operands) {
        Product& described = product_for(key_of(context, product, operands), operands);
        if (!described.has_algorithm()) throw NoAlgorithm();
        described.run(context, operands);
    };
    std::optional<GemmPlan> refused;
    for (const Fusion fusion : {Fusion::full, Fusion::narrow_vectors, Fusion::product_only}) {
        const GemmPlan plan = plan_of(arguments, fusion);
        if (plan == refused) continue;
        try {
            return run_plan<DeviceType::cuda>(context, arguments, plan, multiply);
        } catch (const NoAlgorithm&) {
            refused = plan;
        }
    }
    throw DeviceError("gemm: cuBLASLt has no algorithm for a product of " +
                      describe(arguments.spec));
}

}  // namespace balmer::kernels
