// Element by element on the CPU. Loops whose operands all have stride 1 are written apart because
// the compiler turns only those into vector code; `ivdep` says that an output which is also an
// input is the same element, so that in-place calls are vectorised too.

#include "kernels/elementwise/elementwise_cpu.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/core/strided_loop.h"
#include "kernels/core/vector_math.h"
#include "kernels/core/wide_vectors.h"

namespace balmer::kernels {
namespace {

constexpr std::int64_t grain = 16384;  // below this many elements a second thread costs more

/// out[i] = f(a[i]) over one run, computed in T's accumulator type.
template <class T, class Function>
void map_run(T* out, std::int64_t out_stride, const T* a, std::int64_t a_stride, std::int64_t n,
             const Function& f) {
    using Value = accumulator_t<T>;
    if (out_stride == 1 && a_stride == 1) {
        return with_widest_vectors([=] {
#pragma GCC ivdep
            for (std::int64_t i = 0; i < n; ++i) out[i] = T(f(Value(a[i])));
        });
    }
    for (std::int64_t i = 0; i < n; ++i) out[i * out_stride] = T(f(Value(a[i * a_stride])));
}

/// out[i] = f(a[i], b[i]) over one run.
template <class T, class Function>
void zip_run(T* out, std::int64_t out_stride, const T* a, std::int64_t a_stride, const T* b,
             std::int64_t b_stride, std::int64_t n, const Function& f) {
    using Value = accumulator_t<T>;
    if (out_stride == 1 && a_stride == 1 && b_stride == 1) {
        with_widest_vectors([=] {
#pragma GCC ivdep
            for (std::int64_t i = 0; i < n; ++i) out[i] = T(f(Value(a[i]), Value(b[i])));
        });
    } else if (out_stride == 1 && a_stride == 1 && b_stride == 0) {
        const Value right(*b);
        with_widest_vectors([=] {
#pragma GCC ivdep
            for (std::int64_t i = 0; i < n; ++i) out[i] = T(f(Value(a[i]), right));
        });
    } else {
        for (std::int64_t i = 0; i < n; ++i) {
            out[i * out_stride] = T(f(Value(a[i * a_stride]), Value(b[i * b_stride])));
        }
    }
}

template <class Function>
void map(const Context& context, const View& out, const View& a, const char* operation,
         const Function& f) {
    dispatch_floating(out.dtype, operation, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* target = out.as<T>();
        const T* source = a.as<T>();
        StridedLoop<2>({out, a}).run(
            context, grain, [&](const auto& at, const auto& step, std::int64_t n) {
                map_run(target + at[0], step[0], source + at[1], step[1], n, f);
            });
    });
}

template <class Function>
void zip(const Context& context, const View& out, const View& a, const View& b,
         const char* operation, const Function& f) {
    dispatch_floating(out.dtype, operation, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* target = out.as<T>();
        const T* left = a.as<T>();
        const T* right = b.as<T>();
        StridedLoop<3>({out, a, b})
            .run(context, grain, [&](const auto& at, const auto& step, std::int64_t n) {
                zip_run(target + at[0], step[0], left + at[1], step[1], right + at[2], step[2], n,
                        f);
            });
    });
}

template <class Value>
Value sigmoid_of(Value x) {
    return Value(1) / (Value(1) + exponential(-x));
}

/// Calls `body` with the function of one variable that `operation` names.
template <class Body>
void dispatch_function(UnaryOperation operation, const Body& body) {
    using enum UnaryOperation;
    switch (operation) {
        case negative:
            return body([](auto x) { return -x; });
        case exponential:
            return body([](auto x) { return balmer::exponential(x); });
        case logarithm:
            return body([](auto x) { return std::log(x); });
        case square_root:
            return body([](auto x) { return std::sqrt(x); });
        case tanh:
            return body([](auto x) { return std::tanh(x); });
        case relu:
            return body([](auto x) { return x < 0 ? decltype(x)(0) : x; });  // NaN stays NaN
        case sigmoid:
            return body([](auto x) { return sigmoid_of(x); });
        case sine:
            return body([](auto x) { return std::sin(x); });
        case cosine:
            return body([](auto x) { return std::cos(x); });
        case square:
            return body([](auto x) { return x * x; });
    }
}

/// Calls `body` with (x, dy) -> dy * f'(x).
template <class Body>
void dispatch_derivative(UnaryOperation operation, const Body& body) {
    using enum UnaryOperation;
    switch (operation) {
        case negative:
            return body([](auto, auto dy) { return -dy; });
        case exponential:
            return body([](auto x, auto dy) { return dy * balmer::exponential(x); });
        case logarithm:
            return body([](auto x, auto dy) { return dy / x; });
        case square_root:
            return body([](auto x, auto dy) { return dy / (2 * std::sqrt(x)); });
        case tanh:
            return body([](auto x, auto dy) {
                const auto y = std::tanh(x);
                return dy * (1 - y * y);
            });
        case relu:
            return body([](auto x, auto dy) { return x <= 0 ? decltype(dy)(0) : dy; });
        case sigmoid:
            return body([](auto x, auto dy) {
                const auto y = sigmoid_of(x);
                return dy * y * (1 - y);
            });
        case sine:
            return body([](auto x, auto dy) { return dy * std::cos(x); });
        case cosine:
            return body([](auto x, auto dy) { return -dy * std::sin(x); });
        case square:
            return body([](auto x, auto dy) { return 2 * x * dy; });
    }
}

template <class To, class From>
To converted(From x) {
    if constexpr (std::is_same_v<To, bfloat16> && std::is_integral_v<From>) {
        return To(static_cast<float>(x));
    } else {
        return static_cast<To>(x);
    }
}

template <class From, class To>
void copy_run(To* out, std::int64_t out_stride, const From* x, std::int64_t x_stride,
              std::int64_t n) {
    if (out_stride == 1 && x_stride == 1) {
        if constexpr (std::is_same_v<From, To>) {
            std::copy_n(x, n, out);
        } else {
            with_widest_vectors([=] {
#pragma GCC ivdep
                for (std::int64_t i = 0; i < n; ++i) out[i] = converted<To>(x[i]);
            });
        }
        return;
    }
    for (std::int64_t i = 0; i < n; ++i) out[i * out_stride] = converted<To>(x[i * x_stride]);
}

/// Copies a transposition in tiles that both sides' cache lines fit in. `row` is the dimension
/// along which x is contiguous; all others but the innermost are walked one by one.
template <class From, class To>
void copy_transposed(const Context& context, To* out, const From* x, const StridedLoop<2>& loop,
                     int row) {
    constexpr std::int64_t tile = 32;
    const int inner = loop.rank() - 1;
    const std::int64_t rows = loop.size(row);
    const std::int64_t columns = loop.size(inner);
    const std::int64_t bands = (rows + tile - 1) / tile;
    const std::int64_t out_step = loop.strides(row)[0];
    const std::int64_t x_step = loop.strides(inner)[1];
    parallel_for(context, loop.numel() / rows / columns * bands, 1 + grain / (tile * columns),
                 [&](std::int64_t task) {
                     const std::int64_t first = task % bands * tile;
                     const std::int64_t last = std::min(rows, first + tile);
                     std::int64_t rest = task / bands;
                     To* target = out;
                     const From* source = x;
                     for (int i = inner - 1; i >= 0; --i) {
                         if (i == row) continue;
                         const std::int64_t at = rest % loop.size(i);
                         rest /= loop.size(i);
                         target += at * loop.strides(i)[0];
                         source += at * loop.strides(i)[1];
                     }
                     for (std::int64_t begin = 0; begin < columns; begin += tile) {
                         const std::int64_t end = std::min(columns, begin + tile);
                         for (std::int64_t r = first; r < last; ++r) {
                             for (std::int64_t c = begin; c < end; ++c) {
                                 target[r * out_step + c] = converted<To>(source[r + c * x_step]);
                             }
                         }
                     }
                 });
}

}  // namespace

void binary_plain(const Context& context, const Binary& arguments) {
    const auto run = [&](const auto& f) {
        zip(context, arguments.out, arguments.a, arguments.b, "binary", f);
    };
    switch (arguments.operation) {
        case BinaryOperation::add:
            return run([](auto a, auto b) { return a + b; });
        case BinaryOperation::subtract:
            return run([](auto a, auto b) { return a - b; });
        case BinaryOperation::multiply:
            return run([](auto a, auto b) { return a * b; });
        case BinaryOperation::divide:
            return run([](auto a, auto b) { return a / b; });
    }
}

void unary_plain(const Context& context, const Unary& arguments) {
    dispatch_function(arguments.operation,
                      [&](const auto& f) { map(context, arguments.out, arguments.x, "unary", f); });
}

void unary_backward_plain(const Context& context, const UnaryBackward& arguments) {
    dispatch_derivative(arguments.operation, [&](const auto& f) {
        zip(context, arguments.dx, arguments.x, arguments.dy, "unary_backward", f);
    });
}

void affine_plain(const Context& context, const Affine& arguments) {
    const double scale = arguments.scale;
    const double shift = arguments.shift;
    map(context, arguments.out, arguments.x, "affine",
        [=](auto x) { return decltype(x)(scale * double{x} + shift); });
}

void copy_plain(const Context& context, const Copy& arguments) {
    dispatch_all(arguments.x.dtype, [&](auto from) {
        dispatch_all(arguments.out.dtype, [&](auto to) {
            using From = typename decltype(from)::type;
            using To = typename decltype(to)::type;
            To* target = arguments.out.as<To>();
            const From* source = arguments.x.as<From>();
            const StridedLoop<2> loop({arguments.out, arguments.x});
            const int row = transposed_dimension(loop);
            if (row >= 0 && loop.numel() > 0) {
                return copy_transposed(context, target, source, loop, row);
            }
            loop.run(context, grain, [&](const auto& at, const auto& step, std::int64_t n) {
                copy_run(target + at[0], step[0], source + at[1], step[1], n);
            });
        });
    });
}

void fill_plain(const Context& context, const Fill& arguments) {
    dispatch_all(arguments.out.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        T* target = arguments.out.as<T>();
        const T value = static_cast<T>(arguments.value);
        StridedLoop<1>({arguments.out})
            .run(context, grain, [&](const auto& at, const auto& step, std::int64_t n) {
                if (step[0] == 1) {
                    std::fill_n(target + at[0], n, value);
                    return;
                }
                for (std::int64_t i = 0; i < n; ++i) target[at[0] + i * step[0]] = value;
            });
    });
}

}  // namespace balmer::kernels
