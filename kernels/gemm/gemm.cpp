#include "kernels/gemm/gemm.h"

#include "kernels/core/choice.h"
#include "kernels/gemm/gemm_cpu.h"
#ifdef BALMER_HAS_CUDA
#include "kernels/gemm/gemm_cublaslt.h"
#endif

namespace balmer::kernels {
namespace {

const Choice<GemmArguments> choices[] = {
#ifdef BALMER_HAS_CUDA
    {"cublaslt", accepts_cublaslt, gemm_cublaslt},
#endif
#ifdef BALMER_HAS_ONEDNN
    {"onednn", accepts_onednn, gemm_onednn},
#endif
    {"eigen", accepts_cpu<GemmArguments>, gemm_eigen},
    {"plain", accepts_cpu<GemmArguments>, gemm_plain},
};

void check_sizes(const GemmSpec& spec) {
    const std::pair<const char*, std::int64_t> sizes[] = {
        {"m", spec.m}, {"n", spec.n}, {"k", spec.k}, {"batch", spec.batch}};
    for (const auto& [name, size] : sizes) {
        if (size < 0) {
            throw ShapeError(std::string("gemm: ") + name + " must not be negative, got " +
                             std::to_string(size));
        }
    }
}

void check_leading(const char* name, std::int64_t leading, std::int64_t rows, std::int64_t row) {
    if (rows > 0 && leading < row) {
        throw ShapeError(std::string("gemm: ") + name + " must be at least the row length " +
                         std::to_string(row) + ", got " + std::to_string(leading));
    }
}

void check_dtypes(const GemmSpec& spec) {
    if (!is_floating(spec.input)) {
        throw DTypeError("gemm: input must be f32, f64 or bf16, got " +
                         std::string(name_of(spec.input)));
    }
    const DType statistics = statistics_dtype(spec.input);
    if (spec.output != spec.input && spec.output != statistics) {
        const std::string own(name_of(spec.input));
        const std::string other = " or " + std::string(name_of(statistics));
        throw DTypeError("gemm: output of a product of " + own + " must be " + own +
                         (spec.input == statistics ? "" : other) + ", got " +
                         std::string(name_of(spec.output)));
    }
}

void need(const void* operand, const char* name, const char* what_for) {
    if (operand == nullptr) {
        throw UsageError(std::string("gemm: ") + what_for + " needs " + name);
    }
}

void check_operands(const GemmArguments& arguments) {
    const GemmSpec& spec = arguments.spec;
    const bool has_output = spec.m > 0 && spec.n > 0 && spec.batch > 0;
    if (has_output) {
        need(arguments.d, "d", "the product");
        if (spec.k > 0) {
            need(arguments.a, "a", "the product");
            need(arguments.b, "b", "the product");
        }
        if (spec.beta != 0.0) need(arguments.c, "c", "beta");
    }
    if (spec.epilogue == Epilogue::bias) need(arguments.bias, "bias", "epilogue bias");
    if (spec.epilogue == Epilogue::gelu_gradient && has_output) {
        need(arguments.auxiliary, "auxiliary", "epilogue gelu_gradient");
    }
    if (spec.epilogue == Epilogue::row_sum_a) {
        need(arguments.bias_gradient, "bias_gradient", "epilogue row_sum_a");
    }
    const bool has_bias_gradient =
        spec.epilogue == Epilogue::row_sum_a ||
        (spec.epilogue == Epilogue::gelu_gradient && arguments.bias_gradient != nullptr);
    if (has_bias_gradient && spec.batch != 1) {
        throw UsageError("gemm: a bias gradient needs batch 1, got " + std::to_string(spec.batch));
    }
}

}  // namespace

void gemm(const Context& context, const GemmArguments& arguments) {
    const GemmSpec& spec = arguments.spec;
    check_sizes(spec);
    check_dtypes(spec);
    if (spec.transpose_a) {
        check_leading("lda", spec.lda, spec.k, spec.m);
    } else {
        check_leading("lda", spec.lda, spec.m, spec.k);
    }
    if (spec.transpose_b) {
        check_leading("ldb", spec.ldb, spec.n, spec.k);
    } else {
        check_leading("ldb", spec.ldb, spec.k, spec.n);
    }
    check_leading("ldd", spec.ldd, spec.m, spec.n);
    check_operands(arguments);
    Context used = context;
    if (context.device.type == DeviceType::simt && is_built_for(DeviceType::simt)) {
        // Products on simt are the CPU's: there is no kernel of Balmer's in them to be tested.
        used.device = {};
        used.stream = nullptr;
    }
    run_choice<GemmArguments>("gemm", choices, used, arguments);
}

}  // namespace balmer::kernels
