// The epilogue of a product as a pass of its own: one read of the product (and of auxiliary), one
// write of D (and of auxiliary). A thread takes up to 16 bytes at a time where layout and addresses
// allow it, so that the pass runs at the speed of memory; erfcf and expf (about 40 instructions an
// element) stay under that even for bf16. Rows are on the grid's y axis: one division a row.

#include <algorithm>

#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/gelu/gelu_device.cuh"
#include "kernels/gemm/gemm_finish_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr std::int64_t most_rows_of_blocks = 32768;

/// `leading` and `stride` count elements, `groups` groups of `width` elements in a row.
template <class In, class Out, int width>
__global__ void __launch_bounds__(threads)
    finish_kernel(Out* d, Out* auxiliary, const In* input, const float* bias, float scale,
                  Epilogue epilogue, std::int64_t batch, std::int64_t rows, std::int64_t groups,
                  std::int64_t leading, std::int64_t stride) {
    const std::int64_t group = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (group >= groups) return;
    const std::int64_t column = group * width;
    float added[width];
    BALMER_UNROLL
    for (int k = 0; k < width; ++k) added[k] = bias != nullptr ? bias[column + k] : 0.0F;
    for (std::int64_t i = blockIdx.y; i < batch * rows; i += gridDim.y) {
        const std::int64_t at = i / rows * stride + i % rows * leading + column;
        Group<In, width> in{};
        Group<Out, width> saved{};
        if (input != nullptr) in = *reinterpret_cast<const Group<In, width>*>(input + at);
        if (epilogue == Epilogue::gelu_gradient) {
            saved = *reinterpret_cast<const Group<Out, width>*>(auxiliary + at);
        }
        Group<Out, width> out;
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            const float sum = input != nullptr ? scale * to_float(in.values[k]) : 0.0F;
            const float p = sum + added[k];
            if (epilogue == Epilogue::gelu_gradient) {
                out.values[k] = from_float<Out>(p * gelu_derivative_of(to_float(saved.values[k])));
            } else {
                saved.values[k] = from_float<Out>(p);
                out.values[k] =
                    epilogue == Epilogue::gelu ? from_float<Out>(gelu_of(p)) : saved.values[k];
            }
        }
        if (epilogue == Epilogue::gelu && auxiliary != nullptr) {
            *reinterpret_cast<Group<Out, width>*>(auxiliary + at) = saved;
        }
        *reinterpret_cast<Group<Out, width>*>(d + at) = out;
    }
}

template <class In, class Out>
void run(const Context& context, const GemmFinish& x) {
    constexpr int vector = 16 / std::max(sizeof(In), sizeof(Out));
    const auto fits = [&](const void* data, std::size_t element) {
        return reinterpret_cast<std::uintptr_t>(data) % (vector * element) == 0;
    };
    const bool is_vector = x.columns % vector == 0 && x.leading % vector == 0 &&
                           x.stride % vector == 0 && fits(x.input, sizeof(In)) &&
                           fits(x.d, sizeof(Out)) && fits(x.auxiliary, sizeof(Out));
    const std::int64_t groups = x.columns / (is_vector ? vector : 1);
    const LaunchShape shape{
        {static_cast<unsigned>((groups + threads - 1) / threads),
         static_cast<unsigned>(std::min(x.batch * x.rows, most_rows_of_blocks))},
        threads};
    launch("gemm_finish", context,
           is_vector ? finish_kernel<In, Out, vector> : finish_kernel<In, Out, 1>, shape,
           static_cast<Out*>(x.d), static_cast<Out*>(x.auxiliary), static_cast<const In*>(x.input),
           static_cast<const float*>(x.bias), static_cast<float>(x.scale), x.epilogue, x.batch,
           x.rows, groups, x.leading, x.stride);
}

template <class In>
void dispatch_output(const Context& context, const GemmFinish& arguments) {
    if (arguments.output_dtype == DType::bf16) {
        run<In, bfloat16>(context, arguments);
    } else {
        run<In, float>(context, arguments);
    }
}

}  // namespace

template <DeviceType device>
void gemm_finish_device(const Context& context, const GemmFinish& arguments) {
    if (arguments.input_dtype == DType::bf16) {
        dispatch_output<bfloat16>(context, arguments);
    } else {
        dispatch_output<float>(context, arguments);
    }
}

template void gemm_finish_device<this_device>(const Context&, const GemmFinish&);

}  // namespace balmer::kernels
