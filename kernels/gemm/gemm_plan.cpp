#include "kernels/gemm/gemm_plan.h"

#include "kernels/core/buffer.h"
#include "kernels/gemm/gemm_cpu.h"
#include "kernels/gemm/gemm_finish_cuda.h"

namespace balmer::kernels {
namespace {

/// The row-major matrix [rows, columns] read column-major.
ColumnMajorMatrix read_by_columns(std::int64_t rows, std::int64_t columns, std::int64_t leading,
                                  std::int64_t stride, DType dtype) {
    return {.rows = columns, .columns = rows, .leading = leading, .stride = stride, .dtype = dtype};
}

/// The library's auxiliary matrix must lie in steps of 8 elements, from an address that is a
/// multiple of 16.
bool suits_as_auxiliary(const GemmSpec& spec, const void* auxiliary) {
    return spec.ldd % 8 == 0 && (spec.batch == 1 || spec.stride_d % 8 == 0) &&
           reinterpret_cast<std::uintptr_t>(auxiliary) % 16 == 0;
}

LibraryEpilogue gelu_epilogue(const GemmArguments& arguments) {
    const bool is_biased = arguments.bias != nullptr;
    if (arguments.auxiliary == nullptr) {
        return is_biased ? LibraryEpilogue::gelu_bias : LibraryEpilogue::gelu;
    }
    return is_biased ? LibraryEpilogue::gelu_aux_bias : LibraryEpilogue::gelu_aux;
}

void plan_gelu(const GemmArguments& arguments, bool is_fusing, bool may_approximate,
               GemmPlan& plan) {
    const bool is_biased = arguments.bias != nullptr;
    if (is_fusing && may_approximate) {
        plan.product.epilogue = gelu_epilogue(arguments);
        return;
    }
    plan.finishes = true;
    plan.goes_to_auxiliary = arguments.auxiliary != nullptr;
    if (is_fusing && is_biased) {
        plan.product.epilogue = LibraryEpilogue::bias;
    } else {
        plan.adds_bias = is_biased;
    }
}

/// What to do with the sums of a plan without a product: C, scaled by beta, is all there is.
GemmPlan plan_without_product(const GemmArguments& arguments) {
    const Epilogue epilogue = arguments.spec.epilogue;
    GemmPlan plan;
    plan.has_product = false;
    plan.finishes = true;
    plan.adds_bias =
        arguments.bias != nullptr && (epilogue == Epilogue::bias || epilogue == Epilogue::gelu);
    plan.sums_afterwards = epilogue == Epilogue::row_sum_a || epilogue == Epilogue::gelu_gradient;
    return plan;
}

}  // namespace

bool has_bias(LibraryEpilogue epilogue) {
    return epilogue == LibraryEpilogue::bias || epilogue == LibraryEpilogue::gelu_bias ||
           epilogue == LibraryEpilogue::gelu_aux_bias;
}

bool has_sums(LibraryEpilogue epilogue) {
    return epilogue == LibraryEpilogue::dgelu_row_sums ||
           epilogue == LibraryEpilogue::column_sums_of_b;
}

bool has_auxiliary(LibraryEpilogue epilogue) {
    return epilogue == LibraryEpilogue::gelu_aux || epilogue == LibraryEpilogue::gelu_aux_bias ||
           epilogue == LibraryEpilogue::dgelu || epilogue == LibraryEpilogue::dgelu_row_sums;
}

GemmPlan plan_of(const GemmArguments& arguments, Fusion fusion) {
    const GemmSpec& spec = arguments.spec;
    if (spec.k == 0) return plan_without_product(arguments);
    GemmPlan plan;
    ColumnMajorProduct& product = plan.product;
    product.transpose_a = spec.transpose_b;
    product.transpose_b = spec.transpose_a;
    product.a =
        read_by_columns(spec.transpose_b ? spec.n : spec.k, spec.transpose_b ? spec.k : spec.n,
                        spec.ldb, spec.stride_b, spec.input);
    product.b =
        read_by_columns(spec.transpose_a ? spec.k : spec.m, spec.transpose_a ? spec.m : spec.k,
                        spec.lda, spec.stride_a, spec.input);
    product.d = read_by_columns(spec.m, spec.n, spec.ldd, spec.stride_d, spec.output);
    product.batch = spec.batch;
    product.alpha = spec.alpha;
    product.beta = spec.beta;

    const bool is_fusing = fusion != Fusion::product_only;
    const bool may_approximate =
        spec.output == DType::bf16 && suits_as_auxiliary(spec, arguments.auxiliary);
    switch (spec.epilogue) {
        case Epilogue::none:
            break;
        case Epilogue::bias:
            if (is_fusing) {
                product.epilogue = LibraryEpilogue::bias;
            } else {
                plan.adds_bias = true;
                plan.finishes = true;
            }
            break;
        case Epilogue::gelu:
            plan_gelu(arguments, is_fusing, may_approximate, plan);
            break;
        case Epilogue::gelu_gradient: {
            const bool is_summed = arguments.bias_gradient != nullptr;
            if (is_fusing && may_approximate) {
                product.epilogue =
                    is_summed ? LibraryEpilogue::dgelu_row_sums : LibraryEpilogue::dgelu;
            } else {
                plan.finishes = true;
                plan.sums_afterwards = is_summed;
            }
            break;
        }
        case Epilogue::row_sum_a:
            if (is_fusing) {
                product.epilogue = LibraryEpilogue::column_sums_of_b;
            } else {
                plan.sums_afterwards = true;
            }
            break;
    }
    if (fusion == Fusion::narrow_vectors && spec.output == DType::bf16) {
        product.vector_dtype = DType::bf16;
    }
    return plan;
}

namespace {

/// Copies a vector of `length` numbers between f32 and bf16.
template <DeviceType device>
void convert(const Context& context, const void* from, DType from_dtype, void* to, DType to_dtype,
             std::int64_t length) {
    gemm_finish_device<device>(context, {.rows = 1,
                                         .columns = length,
                                         .leading = length,
                                         .stride = length,
                                         .input_dtype = from_dtype,
                                         .output_dtype = to_dtype,
                                         .input = from,
                                         .d = to});
}

template <DeviceType device>
bool run_product(const Context& context, const GemmArguments& arguments, const GemmPlan& plan,
                 const Multiply& multiply) {
    const ColumnMajorProduct& product = plan.product;
    const LibraryEpilogue epilogue = product.epilogue;
    ProductOperands operands{
        .a = arguments.b,
        .b = arguments.a,
        .c = arguments.c,
        .d = plan.goes_to_auxiliary ? arguments.auxiliary : arguments.d,
        .vector = has_sums(epilogue) ? arguments.bias_gradient : const_cast<void*>(arguments.bias),
        .auxiliary = arguments.auxiliary};
    if (!has_bias(epilogue) && !has_sums(epilogue)) operands.vector = nullptr;
    if (operands.vector == nullptr || product.vector_dtype == DType::f32) {
        return multiply(product, operands);
    }
    const std::int64_t length =
        epilogue == LibraryEpilogue::column_sums_of_b ? product.d.columns : product.d.rows;
    const Buffer narrow(context, length * size_of(DType::bf16));
    operands.vector = narrow.data();
    if (has_bias(epilogue)) {
        convert<device>(context, arguments.bias, DType::f32, narrow.data(), DType::bf16, length);
    }
    if (!multiply(product, operands)) return false;
    if (has_sums(epilogue)) {
        convert<device>(context, narrow.data(), DType::bf16, arguments.bias_gradient, DType::f32,
                        length);
    }
    return true;
}

template <DeviceType device>
void run_finish(const Context& context, const GemmArguments& arguments, const GemmPlan& plan) {
    const GemmSpec& spec = arguments.spec;
    const bool is_gradient = spec.epilogue == Epilogue::gelu_gradient;
    const bool has_saved_sums = plan.goes_to_auxiliary && !plan.adds_bias;
    const void* sums = plan.goes_to_auxiliary ? arguments.auxiliary : arguments.d;
    if (!plan.has_product) sums = spec.beta != 0.0 ? arguments.c : nullptr;
    const bool needs_auxiliary =
        is_gradient || (spec.epilogue == Epilogue::gelu && !has_saved_sums);
    gemm_finish_device<device>(context,
                               {.rows = spec.m,
                                .columns = spec.n,
                                .batch = spec.batch,
                                .leading = spec.ldd,
                                .stride = spec.stride_d,
                                .epilogue = spec.epilogue,
                                .scale = plan.has_product ? 1.0 : spec.beta,
                                .input_dtype = spec.output,
                                .output_dtype = spec.output,
                                .input = sums,
                                .bias = plan.adds_bias ? arguments.bias : nullptr,
                                .auxiliary = needs_auxiliary ? arguments.auxiliary : nullptr,
                                .d = arguments.d});
}

}  // namespace

template <DeviceType device>
bool run_plan(const Context& context, const GemmArguments& arguments, const GemmPlan& plan,
              const Multiply& multiply) {
    const GemmSpec& spec = arguments.spec;
    const bool is_empty = spec.m == 0 || spec.n == 0 || spec.batch == 0;
    if (plan.has_product && !is_empty && !run_product<device>(context, arguments, plan, multiply)) {
        return false;
    }
    if (plan.finishes && !is_empty) run_finish<device>(context, arguments, plan);
    if (plan.sums_afterwards || is_empty) {
        // Sums of matrix products on simt are the CPU's, as the products are.
        Context reduction = context;
        if (device == DeviceType::simt) reduction.device = {};
        finish_bias_gradient(reduction, arguments);
    }
    return true;
}

#if defined(BALMER_HAS_CUDA)
template bool run_plan<DeviceType::cuda>(const Context&, const GemmArguments&, const GemmPlan&,
                                         const Multiply&);
#endif
#if defined(BALMER_HAS_SIMT)
template bool run_plan<DeviceType::simt>(const Context&, const GemmArguments&, const GemmPlan&,
                                         const Multiply&);
#endif

}  // namespace balmer::kernels
