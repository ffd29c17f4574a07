// Element by element on the device: every input read once, the output written once. Where the
// innermost dimension of all operands is contiguous (or one of them repeats an element), a thread
// moves 16 bytes at a time; the index arithmetic, at most two divisions a dimension, is paid once a
// group. Functions of one variable are a template parameter, so that their loop holds no branch on
// the operation; the dearest of them (tanh, sine) take about 30 instructions an element. Operands
// with other layouts than the output's are read element by element through the caches.

#include "kernels/core/choice.h"
#include "kernels/elementwise/elementwise_cuda.h"
#include "kernels/elementwise/elementwise_device.cuh"

namespace balmer::kernels {
namespace {

constexpr int threads = elementwise_threads;

__device__ __forceinline__ double widened(double value) {
    return value;
}
__device__ __forceinline__ float widened(float value) {
    return value;
}
__device__ __forceinline__ float widened(bfloat16 value) {
    return to_float(value);
}
template <class T>
__device__ __forceinline__ T narrowed(accumulator_t<T> value) {
    if constexpr (std::is_same_v<T, bfloat16>) {
        return from_float<T>(value);
    } else {
        return value;
    }
}

/// out = f(a).
template <class Function, class T, int width>
__global__ void __launch_bounds__(threads)
    map_kernel(T* out, const T* a, Function function, Lattice<2> lattice) {
    const std::int64_t stride = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < lattice.groups;
         i += stride) {
        const auto place = place_of<width>(lattice, i);
        auto group = load_group<width>(a + place.offsets[1], lattice.strides[1][lattice.outer_rank],
                                       place.count);
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            group.values[k] = narrowed<T>(function(widened(group.values[k])));
        }
        store_group(out + place.offsets[0], group, place.count);
    }
}

/// out = f(a, b).
template <class Function, class T, int width>
__global__ void __launch_bounds__(threads)
    zip_kernel(T* out, const T* a, const T* b, Function function, Lattice<3> lattice) {
    const std::int64_t stride = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < lattice.groups;
         i += stride) {
        const auto place = place_of<width>(lattice, i);
        const int inner = lattice.outer_rank;
        auto group =
            load_group<width>(a + place.offsets[1], lattice.strides[1][inner], place.count);
        const auto right =
            load_group<width>(b + place.offsets[2], lattice.strides[2][inner], place.count);
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            group.values[k] =
                narrowed<T>(function(widened(group.values[k]), widened(right.values[k])));
        }
        store_group(out + place.offsets[0], group, place.count);
    }
}

template <class T, class Function>
void map(const char* name, const Context& context, const View& out, const View& a,
         const Function& function) {
    constexpr int vector = 16 / sizeof(T);
    const StridedLoop<2> loop({out, a});
    const bool fits = has_groups<2>(loop, {out, a}, vector);
    const auto lattice = lattice_of(loop, fits ? vector : 1);
    launch(name, context, fits ? map_kernel<Function, T, vector> : map_kernel<Function, T, 1>,
           shape_of(lattice), out.as<T>(), a.as<T>(), function, lattice);
}

template <class T, class Function>
void zip(const char* name, const Context& context, const View& out, const View& a, const View& b,
         const Function& function) {
    constexpr int vector = 16 / sizeof(T);
    const StridedLoop<3> loop({out, a, b});
    const bool fits = has_groups<3>(loop, {out, a, b}, vector);
    const auto lattice = lattice_of(loop, fits ? vector : 1);
    launch(name, context, fits ? zip_kernel<Function, T, vector> : zip_kernel<Function, T, 1>,
           shape_of(lattice), out.as<T>(), a.as<T>(), b.as<T>(), function, lattice);
}

struct Sum {
    template <class Value>
    __device__ Value operator()(Value a, Value b) const {
        return a + b;
    }
};
struct Difference {
    template <class Value>
    __device__ Value operator()(Value a, Value b) const {
        return a - b;
    }
};
struct Product {
    template <class Value>
    __device__ Value operator()(Value a, Value b) const {
        return a * b;
    }
};
struct Quotient {
    template <class Value>
    __device__ Value operator()(Value a, Value b) const {
        return a / b;
    }
};

/// In f64 whatever x is: the contract rounds once, and half the f64 rate of such chips is still far
/// above what memory delivers.
struct ScaleAndShift {
    double scale;
    double shift;

    template <class Value>
    __device__ Value operator()(Value x) const {
        return static_cast<Value>(scale * double{x} + shift);
    }
};

__device__ __forceinline__ float sigmoid_of(float x) {
    return 1.0F / (1.0F + expf(-x));
}

/// f(x).
template <UnaryOperation operation>
struct Value {
    __device__ float operator()(float x) const {
        using enum UnaryOperation;
        if constexpr (operation == negative) return -x;
        if constexpr (operation == exponential) return expf(x);
        if constexpr (operation == logarithm) return logf(x);
        if constexpr (operation == square_root) return sqrtf(x);
        if constexpr (operation == tanh) return tanhf(x);
        if constexpr (operation == relu) return x < 0.0F ? 0.0F : x;  // NaN stays NaN
        if constexpr (operation == sigmoid) return sigmoid_of(x);
        if constexpr (operation == sine) return sinf(x);
        if constexpr (operation == cosine) return cosf(x);
        return x * x;
    }
};

/// dy f'(x).
template <UnaryOperation operation>
struct Derivative {
    __device__ float operator()(float x, float dy) const {
        using enum UnaryOperation;
        if constexpr (operation == negative) return -dy;
        if constexpr (operation == exponential) return dy * expf(x);
        if constexpr (operation == logarithm) return dy / x;
        if constexpr (operation == square_root) return dy / (2.0F * sqrtf(x));
        if constexpr (operation == tanh) {
            const float y = tanhf(x);
            return dy * (1.0F - y * y);
        }
        if constexpr (operation == relu) return x <= 0.0F ? 0.0F : dy;
        if constexpr (operation == sigmoid) {
            const float y = sigmoid_of(x);
            return dy * y * (1.0F - y);
        }
        if constexpr (operation == sine) return dy * cosf(x);
        if constexpr (operation == cosine) return -dy * sinf(x);
        return 2.0F * x * dy;
    }
};

template <UnaryOperation operation>
struct OperationTag {
    static constexpr UnaryOperation value = operation;
};

template <class Body>
void dispatch_operation(UnaryOperation operation, const Body& body) {
    using enum UnaryOperation;
    switch (operation) {
        case negative:
            return body(OperationTag<negative>{});
        case exponential:
            return body(OperationTag<exponential>{});
        case logarithm:
            return body(OperationTag<logarithm>{});
        case square_root:
            return body(OperationTag<square_root>{});
        case tanh:
            return body(OperationTag<tanh>{});
        case relu:
            return body(OperationTag<relu>{});
        case sigmoid:
            return body(OperationTag<sigmoid>{});
        case sine:
            return body(OperationTag<sine>{});
        case cosine:
            return body(OperationTag<cosine>{});
        case square:
            return body(OperationTag<square>{});
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_binary_device(const Context& context, const Binary&) {
    return accepts_on(device, context, DType::f32);  // and every other dtype
}
template <DeviceType device>
void binary_device(const Context& context, const Binary& arguments) {
    dispatch_floating(arguments.out.dtype, "binary", [&](auto tag) {
        using T = typename decltype(tag)::type;
        const auto run = [&](const auto& function) {
            zip<T>("binary", context, arguments.out, arguments.a, arguments.b, function);
        };
        switch (arguments.operation) {
            case BinaryOperation::add:
                return run(Sum{});
            case BinaryOperation::subtract:
                return run(Difference{});
            case BinaryOperation::multiply:
                return run(Product{});
            case BinaryOperation::divide:
                return run(Quotient{});
        }
    });
}

template <DeviceType device>
std::string accepts_affine_device(const Context& context, const Affine&) {
    return accepts_on(device, context, DType::f32);  // and every other dtype
}
template <DeviceType device>
void affine_device(const Context& context, const Affine& arguments) {
    dispatch_floating(arguments.x.dtype, "affine", [&](auto tag) {
        map<typename decltype(tag)::type>("affine", context, arguments.out, arguments.x,
                                          ScaleAndShift{arguments.scale, arguments.shift});
    });
}

template <DeviceType device>
std::string accepts_unary_device(const Context& context, const Unary& arguments) {
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void unary_device(const Context& context, const Unary& arguments) {
    dispatch_operation(arguments.operation, [&](auto tag) {
        const Value<decltype(tag)::value> function;
        if (arguments.x.dtype == DType::bf16) {
            map<bfloat16>("unary", context, arguments.out, arguments.x, function);
        } else {
            map<float>("unary", context, arguments.out, arguments.x, function);
        }
    });
}

template <DeviceType device>
std::string accepts_unary_backward_device(const Context& context, const UnaryBackward& arguments) {
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void unary_backward_device(const Context& context, const UnaryBackward& arguments) {
    dispatch_operation(arguments.operation, [&](auto tag) {
        const Derivative<decltype(tag)::value> function;
        const char* name = "unary_backward";
        if (arguments.x.dtype == DType::bf16) {
            zip<bfloat16>(name, context, arguments.dx, arguments.x, arguments.dy, function);
        } else {
            zip<float>(name, context, arguments.dx, arguments.x, arguments.dy, function);
        }
    });
}

template std::string accepts_binary_device<this_device>(const Context&, const Binary&);
template void binary_device<this_device>(const Context&, const Binary&);
template std::string accepts_affine_device<this_device>(const Context&, const Affine&);
template void affine_device<this_device>(const Context&, const Affine&);
template std::string accepts_unary_device<this_device>(const Context&, const Unary&);
template void unary_device<this_device>(const Context&, const Unary&);
template std::string accepts_unary_backward_device<this_device>(const Context&,
                                                                const UnaryBackward&);
template void unary_backward_device<this_device>(const Context&, const UnaryBackward&);

}  // namespace balmer::kernels
