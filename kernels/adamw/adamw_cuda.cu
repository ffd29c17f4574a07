// AdamW on the device: one launch over all parameters (up to 512 of them), whose table is an
// argument of the kernel. An element moves 16 bytes in and 12 out, 14 with the bf16 copy, each once
// and in accesses of 16 bytes where the memory allows it: the speed of memory, as by arithmetic the
// two divisions and the root (some 60 instructions in all) take a third of that time on an H100.
// The scalars are formed in f64 by a kernel of one thread, so that they may come from device memory
// and a CUDA graph can be replayed with others.

#include <limits>
#include <vector>

#include "kernels/adamw/adamw_cuda.h"
#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/core/device_rows.cuh"
#include "kernels/core/device_tables.cuh"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr int chunk = 8192;  ///< elements a block
constexpr int few_items = 64;
constexpr int many_items = 512;

struct Item {
    float* parameter;
    const float* gradient;
    float* first_moment;
    float* second_moment;
    bfloat16* low_precision;  ///< null for none
    std::int64_t count;
    double weight_decay;
};

/// What the scalars of an update are formed from; null pointers for what is not on the device.
struct Sources {
    double learning_rate;
    double beta1;
    double beta2;
    double gradient_scale;
    std::int64_t step;
    const double* device_learning_rate;
    const std::int64_t* device_step;
    const double* device_gradient_scale;
    const std::int32_t* device_is_skipped;
};

/// Rounded as in adamw_cpu.cpp.
struct Scalars {
    double learning_rate;
    float gradient_scale;
    float step_size;
    float root_correction;
    std::int32_t is_skipped;
};

struct Constants {
    float beta1;
    float beta2;
    float rest1;
    float rest2;
    float epsilon;
};

__global__ void __launch_bounds__(lanes_per_warp) form_scalars(Scalars* out, Sources sources) {
    if (threadIdx.x != 0) return;
    Scalars scalars;
    scalars.learning_rate = sources.device_learning_rate != nullptr ? *sources.device_learning_rate
                                                                    : sources.learning_rate;
    double scale = sources.gradient_scale;
    if (sources.device_gradient_scale != nullptr) scale *= *sources.device_gradient_scale;
    const auto step =
        static_cast<double>(sources.device_step != nullptr ? *sources.device_step : sources.step);
    const double correction1 = 1.0 - pow(sources.beta1, step);
    const double correction2 = 1.0 - pow(sources.beta2, step);
    scalars.gradient_scale = static_cast<float>(scale);
    scalars.step_size = static_cast<float>(scalars.learning_rate / correction1);
    scalars.root_correction = static_cast<float>(sqrt(correction2));
    scalars.is_skipped =
        sources.device_is_skipped != nullptr && *sources.device_is_skipped != 0 ? 1 : 0;
    *out = scalars;
}

/// Updates `width` neighbouring elements.
template <int width>
__device__ __forceinline__ void update(const Item& item, std::int64_t at, const Scalars& scalars,
                                       const Constants& constants, float keep) {
    const auto gradient = load_group<width>(item.gradient + at);
    auto parameter = load_group<width>(item.parameter + at);
    auto first = load_group<width>(item.first_moment + at);
    auto second = load_group<width>(item.second_moment + at);
    BALMER_UNROLL
    for (int k = 0; k < width; ++k) {
        const float g = gradient.values[k] * scalars.gradient_scale;
        const float m = constants.beta1 * first.values[k] + constants.rest1 * g;
        const float v = constants.beta2 * second.values[k] + constants.rest2 * g * g;
        first.values[k] = m;
        second.values[k] = v;
        parameter.values[k] =
            keep * parameter.values[k] -
            scalars.step_size * m / (sqrtf(v) / scalars.root_correction + constants.epsilon);
    }
    store_group(item.parameter + at, parameter);
    store_group(item.first_moment + at, first);
    store_group(item.second_moment + at, second);
    if (item.low_precision == nullptr) return;
    Group<bfloat16, width> low;
    BALMER_UNROLL
    for (int k = 0; k < width; ++k) low.values[k] = from_float<bfloat16>(parameter.values[k]);
    store_group(item.low_precision + at, low);
}

template <int capacity>
__global__ void __launch_bounds__(threads)
    adamw_kernel(const TensorTable<Item, capacity> table, const Scalars* device_scalars,
                 Constants constants) {
    const Scalars scalars = *device_scalars;
    if (scalars.is_skipped != 0) return;
    const int number = table.find(blockIdx.x);
    const Item item = table.items[number];
    const std::int64_t begin = std::int64_t{blockIdx.x - table.first_block[number]} * chunk;
    const std::int64_t end = begin + chunk < item.count ? begin + chunk : item.count;
    const auto keep = static_cast<float>(1.0 - scalars.learning_rate * item.weight_decay);
    // Four bf16 take 8 bytes.
    const auto addresses = reinterpret_cast<std::uintptr_t>(item.parameter) |
                           reinterpret_cast<std::uintptr_t>(item.gradient) |
                           reinterpret_cast<std::uintptr_t>(item.first_moment) |
                           reinterpret_cast<std::uintptr_t>(item.second_moment) |
                           reinterpret_cast<std::uintptr_t>(item.low_precision) * 2;
    const int thread = static_cast<int>(threadIdx.x);
    std::int64_t rest = begin;
    if (addresses % 16 == 0) {
        rest = end - end % 4;
        for (std::int64_t i = begin + thread * 4; i < rest; i += threads * 4) {
            update<4>(item, i, scalars, constants, keep);
        }
    }
    for (std::int64_t i = rest + thread; i < end; i += threads) {
        update<1>(item, i, scalars, constants, keep);
    }
}

__global__ void __launch_bounds__(lanes_per_warp)
    prepare_kernel(const double* norm, double limit, double* gradient_scale,
                   std::int32_t* is_skipped, std::int64_t* step) {
    if (threadIdx.x != 0) return;
    const double factor = limit > 0.0 ? limit / (*norm + 1e-6) : 1.0;
    const bool is_finite = fabs(*norm) < std::numeric_limits<double>::infinity();
    *gradient_scale = factor < 1.0 ? factor : 1.0;
    *is_skipped = is_finite ? 0 : 1;
    if (step != nullptr && is_finite) *step += 1;
}

template <class T>
T* pointer_or_null(const View& view) {
    return view ? view.as<T>() : nullptr;
}

template <int capacity>
void run(const Context& context, std::span<const Item> items, const Scalars* scalars,
         const Constants& constants) {
    for_each_table<capacity>(items, chunk, [&](const auto& table, unsigned blocks) {
        launch("adamw", context, adamw_kernel<capacity>, {{blocks}, threads}, table, scalars,
               constants);
    });
}

}  // namespace

template <DeviceType device>
std::string accepts_adamw_device(const Context& context, const AdamWArguments& arguments) {
    std::string reason = accepts_on(device, context, DType::f32);
    for (const AdamWParameter& item : arguments.parameters) {
        if (reason.empty()) reason = accepts_on(device, context, item.parameter.dtype);
    }
    return reason;
}
template <DeviceType device>
void adamw_device(const Context& context, const AdamWArguments& arguments) {
    std::vector<Item> items;
    for (const AdamWParameter& item : arguments.parameters) {
        items.push_back({item.parameter.as<float>(), item.gradient.as<float>(),
                         item.first_moment.as<float>(), item.second_moment.as<float>(),
                         pointer_or_null<bfloat16>(item.low_precision), item.parameter.numel(),
                         item.weight_decay});
    }
    const AdamWDeviceScalars& on_device = arguments.on_device;
    const Sources sources{arguments.learning_rate,
                          arguments.beta1,
                          arguments.beta2,
                          arguments.gradient_scale,
                          arguments.step,
                          pointer_or_null<double>(on_device.learning_rate),
                          pointer_or_null<std::int64_t>(on_device.step),
                          pointer_or_null<double>(on_device.gradient_scale),
                          pointer_or_null<std::int32_t>(on_device.is_skipped)};
    const Constants constants{
        static_cast<float>(arguments.beta1), static_cast<float>(arguments.beta2),
        static_cast<float>(1.0 - arguments.beta1), static_cast<float>(1.0 - arguments.beta2),
        static_cast<float>(arguments.epsilon)};
    const Buffer buffer(context, sizeof(Scalars));
    auto* scalars = static_cast<Scalars*>(buffer.data());
    launch("adamw", context, form_scalars, {{1}, lanes_per_warp}, scalars, sources);
    if (items.size() <= few_items) {
        run<few_items>(context, items, scalars, constants);
    } else {
        run<many_items>(context, items, scalars, constants);
    }
}

template <DeviceType device>
std::string accepts_prepare_adamw_device(const Context& context, const AdamWPreparation&) {
    return accepts_on(device, context, DType::f32);
}
template <DeviceType device>
void prepare_adamw_device(const Context& context, const AdamWPreparation& arguments) {
    launch("prepare_adamw", context, prepare_kernel, {{1}, lanes_per_warp},
           arguments.norm.as<double>(), arguments.limit, arguments.gradient_scale.as<double>(),
           arguments.is_skipped.as<std::int32_t>(), pointer_or_null<std::int64_t>(arguments.step));
}

template std::string accepts_adamw_device<this_device>(const Context&, const AdamWArguments&);
template void adamw_device<this_device>(const Context&, const AdamWArguments&);
template std::string accepts_prepare_adamw_device<this_device>(const Context&,
                                                               const AdamWPreparation&);
template void prepare_adamw_device<this_device>(const Context&, const AdamWPreparation&);

}  // namespace balmer::kernels
