// GELU on the device: one read, one write. A thread takes 16 bytes at a time where rows allow it,
// so that the kernel runs at the speed of memory; erff and expf (about 40 instructions an element)
// stay under that even for bf16.

#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/gelu/gelu_cuda.h"
#include "kernels/gelu/gelu_device.cuh"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;

/// `dy` null: y = gelu(x + bias); else y = dy * gelu'(x + bias). `width` elements at a time, which
/// divides `columns` where there is a bias.
template <class T, int width>
__global__ void __launch_bounds__(threads)
    gelu_kernel(T* y, const T* x, const T* dy, const float* bias, std::int64_t groups,
                std::int64_t columns) {
    const std::int64_t stride = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < groups;
         i += stride) {
        const Group<T, width> in = reinterpret_cast<const Group<T, width>*>(x)[i];
        Group<T, width> gradient = in;
        if (dy != nullptr) gradient = reinterpret_cast<const Group<T, width>*>(dy)[i];
        const std::int64_t column = bias != nullptr ? i * width % columns : 0;
        Group<T, width> out;
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            float p = to_float(in.values[k]);
            if (bias != nullptr) p += bias[column + k];
            const float value =
                dy == nullptr ? gelu_of(p) : to_float(gradient.values[k]) * gelu_derivative_of(p);
            out.values[k] = from_float<T>(value);
        }
        reinterpret_cast<Group<T, width>*>(y)[i] = out;
    }
}

template <class T>
void run(const char* name, const Context& context, const View& y, const View& x, const View& dy,
         const View& bias) {
    constexpr int vector = 16 / sizeof(T);
    const std::int64_t columns = x.shape[1];
    const auto is_aligned = [](const View& view) {
        return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
    };
    const bool fits = is_aligned(x) && is_aligned(y) && is_aligned(dy) &&
                      (bias ? columns : x.numel()) % vector == 0;
    const std::int64_t groups = x.numel() / (fits ? vector : 1);
    const LaunchShape shape{
        {static_cast<unsigned>(std::min<std::int64_t>((groups + threads - 1) / threads, 4096))},
        threads};
    launch(name, context, fits ? gelu_kernel<T, vector> : gelu_kernel<T, 1>, shape, y.as<T>(),
           x.as<T>(), dy ? dy.as<T>() : nullptr, bias ? bias.as<float>() : nullptr, groups,
           columns);
}

void dispatch(const char* name, const Context& context, const View& y, const View& x,
              const View& dy, const View& bias) {
    if (x.dtype == DType::bf16) {
        run<bfloat16>(name, context, y, x, dy, bias);
    } else {
        run<float>(name, context, y, x, dy, bias);
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_gelu_device(const Context& context, const GeluForward& arguments) {
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void gelu_device(const Context& context, const GeluForward& arguments) {
    dispatch("gelu", context, arguments.y, arguments.x, {}, arguments.bias);
}
template <DeviceType device>
std::string accepts_gelu_backward_device(const Context& context, const GeluBackward& arguments) {
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void gelu_backward_device(const Context& context, const GeluBackward& arguments) {
    dispatch("gelu_backward", context, arguments.dx, arguments.x, arguments.dy, arguments.bias);
}

template std::string accepts_gelu_device<this_device>(const Context&, const GeluForward&);
template void gelu_device<this_device>(const Context&, const GeluForward&);
template std::string accepts_gelu_backward_device<this_device>(const Context&, const GeluBackward&);
template void gelu_backward_device<this_device>(const Context&, const GeluBackward&);

}  // namespace balmer::kernels
