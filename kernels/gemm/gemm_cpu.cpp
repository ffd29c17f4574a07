// Matrix products on the CPU, literally: the specification of every other entry.

#include "kernels/gemm/gemm_cpu.h"

#include <algorithm>
#include <vector>

#include "kernels/core/parallel.h"
#include "kernels/core/wide_vectors.h"
#include "kernels/gelu/gelu_math.h"
#include "kernels/reduce/reduce.h"

namespace balmer::kernels {
namespace {

template <class Out, class Value>
void finish_typed(const GemmArguments& arguments, std::int64_t batch_index, std::int64_t row_index,
                  std::span<Value> row) {
    const GemmSpec& spec = arguments.spec;
    const std::int64_t at = batch_index * spec.stride_d + row_index * spec.ldd;
    const auto n = static_cast<std::int64_t>(row.size());
    const auto alpha = static_cast<Value>(spec.alpha);
    const auto beta = static_cast<Value>(spec.beta);
    const Epilogue epilogue = spec.epilogue;
    const bool has_bias = epilogue == Epilogue::bias || epilogue == Epilogue::gelu;
    const auto* bias = has_bias ? static_cast<const Value*>(arguments.bias) : nullptr;
    const Out* c = spec.beta == 0.0 ? nullptr : static_cast<const Out*>(arguments.c) + at;
    const bool has_auxiliary = epilogue == Epilogue::gelu || epilogue == Epilogue::gelu_gradient;
    Out* auxiliary = has_auxiliary && arguments.auxiliary != nullptr
                         ? static_cast<Out*>(arguments.auxiliary) + at
                         : nullptr;
    Out* d = static_cast<Out*>(arguments.d) + at;
    Value* sums = row.data();
    with_widest_vectors([=] {
        if (alpha != 1) {
#pragma GCC ivdep
            for (std::int64_t j = 0; j < n; ++j) sums[j] *= alpha;
        }
        if (c != nullptr) {
#pragma GCC ivdep
            for (std::int64_t j = 0; j < n; ++j) sums[j] += beta * Value(c[j]);
        }
        if (bias != nullptr) {
#pragma GCC ivdep
            for (std::int64_t j = 0; j < n; ++j) sums[j] += bias[j];
        }
        if (epilogue == Epilogue::gelu) {
            if (auxiliary != nullptr) {
#pragma GCC ivdep
                for (std::int64_t j = 0; j < n; ++j) auxiliary[j] = Out(sums[j]);
            }
#pragma GCC ivdep
            for (std::int64_t j = 0; j < n; ++j) sums[j] = gelu_value(sums[j]);
        } else if (epilogue == Epilogue::gelu_gradient) {
#pragma GCC ivdep
            for (std::int64_t j = 0; j < n; ++j) sums[j] *= gelu_derivative(Value(auxiliary[j]));
        }
#pragma GCC ivdep
        for (std::int64_t j = 0; j < n; ++j) d[j] = Out(sums[j]);
    });
}

template <class In>
void product(const Context& context, const GemmArguments& arguments) {
    using Value = accumulator_t<In>;
    const GemmSpec& spec = arguments.spec;
    const std::int64_t a_row = spec.transpose_a ? 1 : spec.lda;
    const std::int64_t a_column = spec.transpose_a ? spec.lda : 1;
    const std::int64_t b_row = spec.transpose_b ? 1 : spec.ldb;
    const std::int64_t b_column = spec.transpose_b ? spec.ldb : 1;
    const std::int64_t grain = 1 + 100000 / (spec.n * spec.k + 1);
    const auto rows = [&](std::int64_t begin, std::int64_t end) {
        std::vector<Value> sums(spec.n);
        for (std::int64_t index = begin; index < end; ++index) {
            const std::int64_t batch = index / spec.m;
            const std::int64_t i = index % spec.m;
            std::fill(sums.begin(), sums.end(), Value(0));
            for (std::int64_t k = 0; k < spec.k; ++k) {
                const Value a(static_cast<const In*>(
                    arguments.a)[batch * spec.stride_a + i * a_row + k * a_column]);
                const In* b =
                    static_cast<const In*>(arguments.b) + batch * spec.stride_b + k * b_row;
                for (std::int64_t j = 0; j < spec.n; ++j) sums[j] += a * Value(b[j * b_column]);
            }
            finish_row(arguments, batch, i, sums);
        }
    };
    parallel_ranges(context, spec.batch * spec.m, grain, rows);
}

}  // namespace

void finish_row(const GemmArguments& arguments, std::int64_t batch_index, std::int64_t row_index,
                std::span<float> row) {
    if (arguments.spec.output == DType::bf16) {
        finish_typed<bfloat16>(arguments, batch_index, row_index, row);
    } else {
        finish_typed<float>(arguments, batch_index, row_index, row);
    }
}

void finish_row(const GemmArguments& arguments, std::int64_t batch_index, std::int64_t row_index,
                std::span<double> row) {
    finish_typed<double>(arguments, batch_index, row_index, row);
}

void finish_bias_gradient(const Context& context, const GemmArguments& arguments) {
    const GemmSpec& spec = arguments.spec;
    if (arguments.bias_gradient == nullptr) return;
    const DType statistics = statistics_dtype(spec.input);
    View x;
    View out;
    if (spec.epilogue == Epilogue::gelu_gradient) {
        x = View(arguments.d, spec.output, {spec.m, spec.n}, context.device);
        x.strides = {spec.ldd, 1};
        out = View(arguments.bias_gradient, statistics, {1, spec.n}, context.device);
    } else if (spec.epilogue == Epilogue::row_sum_a) {
        x = View(const_cast<void*>(arguments.a), spec.input, {spec.m, spec.k}, context.device);
        x.strides = spec.transpose_a ? Strides{1, spec.lda} : Strides{spec.lda, 1};
        out = View(arguments.bias_gradient, statistics, {spec.m, 1}, context.device);
    } else {
        return;
    }
    sum(context, {.x = x, .scale = 1.0, .out = out});
}

void gemm_plain(const Context& context, const GemmArguments& arguments) {
    dispatch_floating(arguments.spec.input, "gemm",
                      [&](auto tag) { product<typename decltype(tag)::type>(context, arguments); });
    finish_bias_gradient(context, arguments);
}

}  // namespace balmer::kernels
