// Cross entropy on the device: a warp a row, whose logits it reads twice (for the largest and for
// the sum of exponentials; the second time from the first-level cache). A second kernel of one
// block adds up the losses of the rows in order, in f64. The logits of a classifier are some
// kilobytes, so what counts is the number of launches: two forward, one backward.
//
// The host cannot see the targets: one that is not below K makes the loss and its row of the
// gradient NaN, and nothing is read outside the logits.

#include <algorithm>
#include <limits>

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/core/device_rows.cuh"
#include "kernels/cross_entropy/cross_entropy_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 128;
constexpr int warps = threads / lanes_per_warp;
constexpr int finish_threads = 256;
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// What forward and backward share.
template <class T>
struct Rows {
    const T* logits;
    const std::int64_t* target;
    const float* weight;  ///< null for 1
    float* log_sum_exp;
    std::int64_t count;
    std::int64_t classes;

    __device__ __forceinline__ double weight_of(std::int64_t row) const {
        return weight != nullptr ? static_cast<double>(weight[row]) : 1.0;
    }
};

template <class T>
__global__ void __launch_bounds__(threads) forward_kernel(Rows<T> rows, double* losses) {
    const int lane = static_cast<int>(threadIdx.x) % lanes_per_warp;
    const std::int64_t row =
        std::int64_t{blockIdx.x} * warps + static_cast<int>(threadIdx.x) / lanes_per_warp;
    if (row >= rows.count) return;
    const T* logits = rows.logits + row * rows.classes;
    float largest = -infinity;
    for (std::int64_t k = lane; k < rows.classes; k += lanes_per_warp) {
        const float logit = to_float(logits[k]);
        largest = largest < logit ? logit : largest;
    }
    largest = warp_max(largest);
    const float shift = fabsf(largest) < infinity ? largest : 0.0F;
    float total = 0.0F;
    for (std::int64_t k = lane; k < rows.classes; k += lanes_per_warp) {
        total += expf(to_float(logits[k]) - shift);
    }
    const float log_sum_exp = shift + logf(warp_sum(total));
    if (lane != 0) return;
    rows.log_sum_exp[row] = log_sum_exp;
    const std::int64_t target = rows.target[row];
    double loss = 0.0;
    if (target >= rows.classes) {
        loss = static_cast<double>(not_a_number);
    } else if (target >= 0) {
        const float difference = log_sum_exp - to_float(logits[target]);
        loss = rows.weight_of(row) * static_cast<double>(difference);
    }
    losses[row] = loss;
}

__global__ void __launch_bounds__(finish_threads)
    finish_loss(float* loss, const double* losses, std::int64_t count, double normaliser) {
    SharedMemory memory;
    auto* scratch = memory.array<double>(32);
    double total = 0.0;
    for (std::int64_t i = threadIdx.x; i < count; i += finish_threads) total += losses[i];
    total = block_sum(total, scratch);
    if (threadIdx.x == 0) *loss = static_cast<float>(total / normaliser);
}

template <class T>
__global__ void __launch_bounds__(threads)
    backward_kernel(Rows<T> rows, T* gradient, const float* loss_gradient, double normaliser) {
    const std::int64_t step = std::int64_t{gridDim.x} * threads;
    const double upstream = static_cast<double>(*loss_gradient);
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x;
         i < rows.count * rows.classes; i += step) {
        const std::int64_t row = i / rows.classes;
        const std::int64_t target = rows.target[row];
        float value = 0.0F;
        if (target >= rows.classes) {
            value = not_a_number;
        } else if (target >= 0) {
            const auto factor = static_cast<float>(upstream * rows.weight_of(row) / normaliser);
            const float probability = expf(to_float(rows.logits[i]) - rows.log_sum_exp[row]);
            value = factor * (probability - (i == row * rows.classes + target ? 1.0F : 0.0F));
        }
        gradient[i] = from_float<T>(value);
    }
}

template <class T, class Arguments>
Rows<T> rows_of(const Arguments& arguments) {
    return {arguments.logits.template as<T>(),
            arguments.target.template as<std::int64_t>(),
            arguments.weight ? arguments.weight.template as<float>() : nullptr,
            arguments.log_sum_exp.template as<float>(),
            arguments.logits.shape[0],
            arguments.logits.shape[1]};
}

template <class T>
void run(const Context& context, const CrossEntropyForward& arguments) {
    const Rows<T> rows = rows_of<T>(arguments);
    const Buffer losses(context, rows.count * sizeof(double));
    auto* each = static_cast<double*>(losses.data());
    launch("cross_entropy", context, forward_kernel<T>,
           {{static_cast<unsigned>((rows.count + warps - 1) / warps)}, threads}, rows, each);
    launch("cross_entropy", context, finish_loss,
           {{1}, finish_threads, shared_bytes_of(32 * sizeof(double))}, arguments.loss.as<float>(),
           each, rows.count, arguments.normaliser);
}

template <class T>
void run(const Context& context, const CrossEntropyBackward& arguments) {
    const Rows<T> rows = rows_of<T>(arguments);
    const std::int64_t blocks = (rows.count * rows.classes + threads - 1) / threads;
    launch("cross_entropy_backward", context, backward_kernel<T>,
           {{static_cast<unsigned>(std::min<std::int64_t>(blocks, 132 * 16))}, threads}, rows,
           arguments.logits_gradient.as<T>(), arguments.loss_gradient.as<float>(),
           arguments.normaliser);
}

template <class Arguments>
void dispatch(const Context& context, const Arguments& arguments) {
    if (arguments.logits.dtype == DType::bf16) {
        run<bfloat16>(context, arguments);
    } else {
        run<float>(context, arguments);
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_cross_entropy_device(const Context& context,
                                         const CrossEntropyForward& arguments) {
    return accepts_on(device, context, arguments.logits.dtype);
}
template <DeviceType device>
void cross_entropy_device(const Context& context, const CrossEntropyForward& arguments) {
    dispatch(context, arguments);
}
template <DeviceType device>
std::string accepts_cross_entropy_backward_device(const Context& context,
                                                  const CrossEntropyBackward& arguments) {
    return accepts_on(device, context, arguments.logits.dtype);
}
template <DeviceType device>
void cross_entropy_backward_device(const Context& context, const CrossEntropyBackward& arguments) {
    dispatch(context, arguments);
}

template std::string accepts_cross_entropy_device<this_device>(const Context&,
                                                               const CrossEntropyForward&);
template void cross_entropy_device<this_device>(const Context&, const CrossEntropyForward&);
template std::string accepts_cross_entropy_backward_device<this_device>(
    const Context&, const CrossEntropyBackward&);
template void cross_entropy_backward_device<this_device>(const Context&,
                                                         const CrossEntropyBackward&);

}  // namespace balmer::kernels
