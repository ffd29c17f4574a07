// Layer normalisation on the CPU: a row at a time, which stays in the first-level cache over its
// three passes. With xhat = (x - mean) r and r = 1 / sqrt(variance + epsilon), the backward pass is
//   g  = dy * weight
//   dx = r (g - mean(g) - xhat mean(g xhat)) + dx_addend
//   d weight = sum over rows of dy * xhat,   d bias = sum over rows of dy
// The sums over rows are kept apart for chunks of rows, whose number depends on R alone, and then
// added in order.

#include "kernels/layer_norm/layer_norm_cpu.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/core/parallel.h"
#include "kernels/core/wide_vectors.h"

namespace balmer::kernels {
namespace {

/// Row `row` of a matrix [R, C].
template <class T>
T* row_of(const View& view, std::int64_t row) {
    return view.as<T>() + row * view.strides[0];
}

template <class T>
void normalise_row(const LayerNormForward& arguments, std::int64_t row) {
    using Value = accumulator_t<T>;
    const std::int64_t columns = arguments.x.shape[1];
    const T* x = row_of<T>(arguments.x, row);
    if (arguments.residual) {
        const T* residual = row_of<T>(arguments.residual, row);
        T* sum = row_of<T>(arguments.sum, row);
        with_widest_vectors([=] {
#pragma GCC ivdep
            for (std::int64_t i = 0; i < columns; ++i) sum[i] = T(Value(x[i]) + Value(residual[i]));
        });
        x = sum;
    }
    Value total = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < columns; ++i) total += Value(x[i]);
    const Value mean = total / static_cast<Value>(columns);
    Value squares = 0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < columns; ++i) {
        const Value deviation = Value(x[i]) - mean;
        squares += deviation * deviation;
    }
    const Value variance = squares / static_cast<Value>(columns);
    const Value reciprocal = 1 / std::sqrt(variance + static_cast<Value>(arguments.epsilon));
    const Value* weight = arguments.weight.as<Value>();
    const Value* bias = arguments.bias.as<Value>();
    T* y = row_of<T>(arguments.y, row);
    with_widest_vectors([=] {
#pragma GCC ivdep
        for (std::int64_t i = 0; i < columns; ++i) {
            y[i] = T((Value(x[i]) - mean) * reciprocal * weight[i] + bias[i]);
        }
    });
    arguments.mean.as<Value>()[row] = mean;
    arguments.reciprocal_deviation.as<Value>()[row] = reciprocal;
}

/// dx of one row; adds the row's share to the gradients of weight and bias.
template <class T, class Value>
void differentiate_row(const LayerNormBackward& arguments, std::int64_t row, Value* weight_gradient,
                       Value* bias_gradient) {
    const std::int64_t columns = arguments.x.shape[1];
    const T* x = row_of<T>(arguments.x, row);
    const T* dy = row_of<T>(arguments.dy, row);
    const T* addend = arguments.dx_addend ? row_of<T>(arguments.dx_addend, row) : nullptr;
    T* dx = row_of<T>(arguments.dx, row);
    const Value* weight = arguments.weight.as<Value>();
    const Value mean = arguments.mean.as<Value>()[row];
    const Value reciprocal = arguments.reciprocal_deviation.as<Value>()[row];
    Value sum = 0;
    Value sum_xhat = 0;
#pragma omp simd reduction(+ : sum, sum_xhat)
    for (std::int64_t i = 0; i < columns; ++i) {
        const Value xhat = (Value(x[i]) - mean) * reciprocal;
        const Value gradient(dy[i]);
        weight_gradient[i] += gradient * xhat;
        bias_gradient[i] += gradient;
        sum += gradient * weight[i];
        sum_xhat += gradient * weight[i] * xhat;
    }
    const Value mean_gradient = sum / static_cast<Value>(columns);
    const Value mean_xhat = sum_xhat / static_cast<Value>(columns);
    with_widest_vectors([=] {
        const auto gradient_of_x = [=](std::int64_t i) {
            const Value xhat = (Value(x[i]) - mean) * reciprocal;
            return reciprocal * (Value(dy[i]) * weight[i] - mean_gradient - xhat * mean_xhat);
        };
        if (addend == nullptr) {
#pragma GCC ivdep
            for (std::int64_t i = 0; i < columns; ++i) dx[i] = T(gradient_of_x(i));
            return;
        }
#pragma GCC ivdep
        for (std::int64_t i = 0; i < columns; ++i) dx[i] = T(gradient_of_x(i) + Value(addend[i]));
    });
}

template <class T>
void differentiate(const Context& context, const LayerNormBackward& arguments) {
    using Value = accumulator_t<T>;
    const std::int64_t rows = arguments.x.shape[0];
    const std::int64_t columns = arguments.x.shape[1];
    const std::int64_t chunks = std::clamp<std::int64_t>(rows / 32, 1, 64);
    std::vector<Value> partial(chunks * 2 * columns, Value(0));
    parallel_for(context, chunks, 1, [&](std::int64_t chunk) {
        Value* weight_gradient = partial.data() + chunk * 2 * columns;
        for (auto row = rows * chunk / chunks; row < rows * (chunk + 1) / chunks; ++row) {
            differentiate_row<T>(arguments, row, weight_gradient, weight_gradient + columns);
        }
    });
    Value* weight_gradient = arguments.weight_gradient.as<Value>();
    Value* bias_gradient = arguments.bias_gradient.as<Value>();
    std::copy_n(partial.data(), columns, weight_gradient);
    std::copy_n(partial.data() + columns, columns, bias_gradient);
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
        const Value* share = partial.data() + chunk * 2 * columns;
        for (std::int64_t i = 0; i < columns; ++i) weight_gradient[i] += share[i];
        for (std::int64_t i = 0; i < columns; ++i) bias_gradient[i] += share[columns + i];
    }
}

}  // namespace

void layer_norm_plain(const Context& context, const LayerNormForward& arguments) {
    dispatch_floating(arguments.x.dtype, "layer_norm", [&](auto tag) {
        using T = typename decltype(tag)::type;
        parallel_for(context, arguments.x.shape[0], 16,
                     [&](std::int64_t row) { normalise_row<T>(arguments, row); });
    });
}

void layer_norm_backward_plain(const Context& context, const LayerNormBackward& arguments) {
    dispatch_floating(arguments.x.dtype, "layer_norm_backward", [&](auto tag) {
        differentiate<typename decltype(tag)::type>(context, arguments);
    });
}

}  // namespace balmer::kernels
