// GELU on the CPU: one pass, element by element.

#include "kernels/gelu/gelu_cpu.h"

#include "kernels/core/parallel.h"
#include "kernels/core/wide_vectors.h"
#include "kernels/gelu/gelu_math.h"

namespace balmer::kernels {
namespace {

/// Calls body(first element, bias of that element or null, count) for runs that stay in one row
/// where there is a bias, for long runs otherwise.
template <class Value, class Body>
void for_runs(const Context& context, const View& x, const View& bias, const Body& body) {
    const std::int64_t columns = x.shape[1];
    parallel_ranges(context, x.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
        if (!bias) return body(begin, static_cast<const Value*>(nullptr), end - begin);
        while (begin < end) {
            const std::int64_t column = begin % columns;
            const std::int64_t count = std::min(columns - column, end - begin);
            body(begin, static_cast<const Value*>(bias.as<Value>()) + column, count);
            begin += count;
        }
    });
}

}  // namespace

void gelu_plain(const Context& context, const GeluForward& arguments) {
    dispatch_floating(arguments.x.dtype, "gelu", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const auto run = [&](std::int64_t at, const Value* bias, std::int64_t n) {
            const T* x = arguments.x.as<T>() + at;
            T* y = arguments.y.as<T>() + at;
            with_widest_vectors([=] {
                if (bias == nullptr) {
#pragma GCC ivdep
                    for (std::int64_t i = 0; i < n; ++i) y[i] = T(gelu_value(Value(x[i])));
                    return;
                }
#pragma GCC ivdep
                for (std::int64_t i = 0; i < n; ++i) y[i] = T(gelu_value(Value(x[i]) + bias[i]));
            });
        };
        for_runs<Value>(context, arguments.x, arguments.bias, run);
    });
}

void gelu_backward_plain(const Context& context, const GeluBackward& arguments) {
    dispatch_floating(arguments.x.dtype, "gelu_backward", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const auto run = [&](std::int64_t at, const Value* bias, std::int64_t n) {
            const T* x = arguments.x.as<T>() + at;
            const T* dy = arguments.dy.as<T>() + at;
            T* dx = arguments.dx.as<T>() + at;
            with_widest_vectors([=] {
                if (bias == nullptr) {
#pragma GCC ivdep
                    for (std::int64_t i = 0; i < n; ++i) {
                        dx[i] = T(Value(dy[i]) * gelu_derivative(Value(x[i])));
                    }
                    return;
                }
#pragma GCC ivdep
                for (std::int64_t i = 0; i < n; ++i) {
                    dx[i] = T(Value(dy[i]) * gelu_derivative(Value(x[i]) + bias[i]));
                }
            });
        };
        for_runs<Value>(context, arguments.x, arguments.bias, run);
    });
}

}  // namespace balmer::kernels
