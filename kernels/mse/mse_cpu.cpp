// Squared error and Huber's loss on the CPU. Losses are few numbers: the sum runs in order, in f64.

#include "kernels/mse/mse_cpu.h"

#include <cmath>

#include "kernels/core/parallel.h"

namespace balmer::kernels {
namespace {

double weight_of(const View& weight, std::int64_t i) {
    return weight ? double{weight.as<float>()[i]} : 1.0;
}

double loss_of(double error, double delta) {
    if (delta <= 0.0 || std::abs(error) <= delta) return error * error;
    return delta * (2.0 * std::abs(error) - delta);
}

double derivative_of(double error, double delta) {
    if (delta <= 0.0 || !(std::abs(error) > delta)) return 2.0 * error;
    return std::copysign(2.0 * delta, error);
}

}  // namespace

void mse_plain(const Context&, const MseForward& arguments) {
    dispatch_floating(arguments.prediction.dtype, "mse", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const T* prediction = arguments.prediction.as<T>();
        const Value* target = arguments.target.as<Value>();
        double total = 0.0;
        for (std::int64_t i = 0; i < arguments.prediction.numel(); ++i) {
            const double weight = weight_of(arguments.weight, i);
            if (weight == 0.0) continue;
            const double error = double(prediction[i]) - double(target[i]);
            total += weight * loss_of(error, arguments.huber_delta);
        }
        *arguments.loss.as<Value>() = static_cast<Value>(total / arguments.normaliser);
    });
}

void mse_backward_plain(const Context& context, const MseBackward& arguments) {
    dispatch_floating(arguments.prediction.dtype, "mse_backward", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const T* prediction = arguments.prediction.as<T>();
        const Value* target = arguments.target.as<Value>();
        T* gradient = arguments.prediction_gradient.as<T>();
        const double factor = double{*arguments.loss_gradient.as<Value>()} / arguments.normaliser;
        parallel_for(context, arguments.prediction.numel(), 4096, [&](std::int64_t i) {
            const double weight = weight_of(arguments.weight, i);
            const double error = double(prediction[i]) - double(target[i]);
            gradient[i] = weight == 0.0
                              ? T(Value(0))
                              : T(factor * weight * derivative_of(error, arguments.huber_delta));
        });
    });
}

}  // namespace balmer::kernels
