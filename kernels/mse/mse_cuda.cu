// Squared error and Huber's loss on the device. A block adds up 4096 elements in f64, in a fixed
// order; where there are more, a second kernel adds the blocks. The predictions of a batch are some
// kilobytes, so what counts is the number of launches: mostly one.

#include <algorithm>

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/mse/mse_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr int chunk = 4096;  ///< elements a block

/// What forward and backward share.
template <class T>
struct Problem {
    const T* prediction;
    const float* target;
    const float* weight;  ///< null for 1
    std::int64_t count;
    double normaliser;
    double delta;

    __device__ __forceinline__ double weight_of(std::int64_t i) const {
        return weight != nullptr ? static_cast<double>(weight[i]) : 1.0;
    }
    __device__ __forceinline__ double error_of(std::int64_t i) const {
        return static_cast<double>(to_float(prediction[i])) - static_cast<double>(target[i]);
    }
    __device__ __forceinline__ bool is_linear(double error) const {
        return delta > 0.0 && fabs(error) > delta;
    }
};

/// One block writes the loss, several their sums to `partial`.
template <class T>
__global__ void __launch_bounds__(threads)
    forward_kernel(Problem<T> problem, float* loss, double* partial) {
    SharedMemory memory;
    auto* scratch = memory.array<double>(32);
    const std::int64_t begin = std::int64_t{blockIdx.x} * chunk;
    const std::int64_t end = begin + chunk < problem.count ? begin + chunk : problem.count;
    double total = 0.0;
    for (std::int64_t i = begin + threadIdx.x; i < end; i += threads) {
        const double weight = problem.weight_of(i);
        if (weight == 0.0) continue;
        const double error = problem.error_of(i);
        total +=
            weight * (problem.is_linear(error) ? problem.delta * (2.0 * fabs(error) - problem.delta)
                                               : error * error);
    }
    total = block_sum(total, scratch);
    if (threadIdx.x != 0) return;
    if (gridDim.x > 1) {
        partial[blockIdx.x] = total;
    } else {
        *loss = static_cast<float>(total / problem.normaliser);
    }
}

__global__ void __launch_bounds__(threads)
    finish_loss(float* loss, const double* partial, std::int64_t count, double normaliser) {
    SharedMemory memory;
    auto* scratch = memory.array<double>(32);
    double total = 0.0;
    for (std::int64_t i = threadIdx.x; i < count; i += threads) total += partial[i];
    total = block_sum(total, scratch);
    if (threadIdx.x == 0) *loss = static_cast<float>(total / normaliser);
}

template <class T>
__global__ void __launch_bounds__(threads)
    backward_kernel(Problem<T> problem, T* gradient, const float* loss_gradient) {
    const std::int64_t step = std::int64_t{gridDim.x} * threads;
    const double factor = static_cast<double>(*loss_gradient) / problem.normaliser;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < problem.count;
         i += step) {
        const double weight = problem.weight_of(i);
        const double error = problem.error_of(i);
        const double derivative =
            problem.is_linear(error) ? copysign(2.0 * problem.delta, error) : 2.0 * error;
        const double value = weight == 0.0 ? 0.0 : factor * weight * derivative;
        gradient[i] = from_float<T>(static_cast<float>(value));
    }
}

template <class T, class Arguments>
Problem<T> problem_of(const Arguments& arguments) {
    return {arguments.prediction.template as<T>(),
            arguments.target.template as<float>(),
            arguments.weight ? arguments.weight.template as<float>() : nullptr,
            arguments.prediction.numel(),
            arguments.normaliser,
            arguments.huber_delta};
}

template <class T>
void run(const Context& context, const MseForward& arguments) {
    const auto problem = problem_of<T>(arguments);
    const std::int64_t blocks = std::max<std::int64_t>(1, (problem.count + chunk - 1) / chunk);
    const Buffer sums(context, blocks * sizeof(double));
    auto* partial = static_cast<double*>(sums.data());
    auto* loss = arguments.loss.as<float>();
    const std::size_t shared = shared_bytes_of(32 * sizeof(double));
    launch("mse", context, forward_kernel<T>, {{static_cast<unsigned>(blocks)}, threads, shared},
           problem, loss, partial);
    if (blocks == 1) return;
    launch("mse", context, finish_loss, {{1}, threads, shared}, loss, partial, blocks,
           problem.normaliser);
}

template <class T>
void run(const Context& context, const MseBackward& arguments) {
    const auto problem = problem_of<T>(arguments);
    const auto blocks = std::min<std::int64_t>((problem.count + threads - 1) / threads, 132 * 8);
    launch("mse_backward", context, backward_kernel<T>, {{static_cast<unsigned>(blocks)}, threads},
           problem, arguments.prediction_gradient.as<T>(), arguments.loss_gradient.as<float>());
}

template <class Arguments>
void dispatch(const Context& context, const Arguments& arguments) {
    if (arguments.prediction.dtype == DType::bf16) {
        run<bfloat16>(context, arguments);
    } else {
        run<float>(context, arguments);
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_mse_device(const Context& context, const MseForward& arguments) {
    return accepts_on(device, context, arguments.prediction.dtype);
}
template <DeviceType device>
void mse_device(const Context& context, const MseForward& arguments) {
    dispatch(context, arguments);
}
template <DeviceType device>
std::string accepts_mse_backward_device(const Context& context, const MseBackward& arguments) {
    return accepts_on(device, context, arguments.prediction.dtype);
}
template <DeviceType device>
void mse_backward_device(const Context& context, const MseBackward& arguments) {
    dispatch(context, arguments);
}

template std::string accepts_mse_device<this_device>(const Context&, const MseForward&);
template void mse_device<this_device>(const Context&, const MseForward&);
template std::string accepts_mse_backward_device<this_device>(const Context&, const MseBackward&);
template void mse_backward_device<this_device>(const Context&, const MseBackward&);

}  // namespace balmer::kernels
