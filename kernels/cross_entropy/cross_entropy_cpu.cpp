// Cross entropy on the CPU: a row at a time; the loss is summed over the rows in order, in f64.

#include "kernels/cross_entropy/cross_entropy_cpu.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/core/parallel.h"

namespace balmer::kernels {
namespace {

template <class T>
accumulator_t<T> log_sum_exp_of(const T* logits, std::int64_t classes) {
    using Value = accumulator_t<T>;
    Value maximum = -std::numeric_limits<Value>::infinity();
    for (std::int64_t k = 0; k < classes; ++k) maximum = std::max(maximum, Value(logits[k]));
    const Value shift = std::isinf(maximum) ? Value(0) : maximum;
    Value total = 0;
    for (std::int64_t k = 0; k < classes; ++k) total += std::exp(Value(logits[k]) - shift);
    return shift + std::log(total);
}

double weight_of(const View& weight, std::int64_t row) {
    return weight ? double{weight.as<float>()[row]} : 1.0;
}

}  // namespace

void cross_entropy_plain(const Context& context, const CrossEntropyForward& arguments) {
    const std::int64_t rows = arguments.logits.shape[0];
    const std::int64_t classes = arguments.logits.shape[1];
    dispatch_floating(arguments.logits.dtype, "cross_entropy", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const T* logits = arguments.logits.as<T>();
        const std::int64_t* target = arguments.target.as<std::int64_t>();
        Value* log_sum_exp = arguments.log_sum_exp.as<Value>();
        parallel_for(context, rows, 1 + 4096 / (classes + 1), [&](std::int64_t r) {
            log_sum_exp[r] = log_sum_exp_of(logits + r * classes, classes);
        });
        double total = 0.0;
        for (std::int64_t r = 0; r < rows; ++r) {
            if (target[r] < 0) continue;
            const Value logit(logits[r * classes + target[r]]);
            total += weight_of(arguments.weight, r) * double(log_sum_exp[r] - logit);
        }
        *arguments.loss.as<Value>() = static_cast<Value>(total / arguments.normaliser);
    });
}

void cross_entropy_backward_plain(const Context& context, const CrossEntropyBackward& arguments) {
    const std::int64_t rows = arguments.logits.shape[0];
    const std::int64_t classes = arguments.logits.shape[1];
    dispatch_floating(arguments.logits.dtype, "cross_entropy_backward", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const std::int64_t* target = arguments.target.as<std::int64_t>();
        const Value* log_sum_exp = arguments.log_sum_exp.as<Value>();
        const double loss_gradient = *arguments.loss_gradient.as<Value>();
        parallel_for(context, rows, 1 + 4096 / (classes + 1), [&](std::int64_t r) {
            const T* logits = arguments.logits.as<T>() + r * classes;
            T* gradient = arguments.logits_gradient.as<T>() + r * classes;
            if (target[r] < 0) {
                std::fill_n(gradient, classes, T(Value(0)));
                return;
            }
            const auto factor = static_cast<Value>(loss_gradient * weight_of(arguments.weight, r) /
                                                   arguments.normaliser);
            for (std::int64_t k = 0; k < classes; ++k) {
                const Value probability = std::exp(Value(logits[k]) - log_sum_exp[r]);
                gradient[k] = T(factor * (probability - Value(k == target[r] ? 1 : 0)));
            }
        });
    });
}

}  // namespace balmer::kernels
