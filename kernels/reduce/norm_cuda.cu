// The norm of many tensors and the search for NaN and infinities on the device: every element is
// read once, 16 bytes at a time where the memory allows it, and a few thousand numbers are written.
// The norm adds up squares in f64, as nothing else keeps the squares of 1e8 numbers apart or the
// largest f32 from overflowing (half of the f32 rate on A100 and H100: one f64 fma for two or four
// bytes is far below that). One launch covers all tensors, a second one adds the blocks in order.

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/core/device_rows.cuh"
#include "kernels/core/device_tables.cuh"
#include "kernels/reduce/dimensions.h"
#include "kernels/reduce/reduce_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr int finish_threads = 1024;
constexpr int chunk = 16384;  ///< elements a block
constexpr float infinity = std::numeric_limits<float>::infinity();

struct NormItem {
    const void* data;
    std::int64_t count;
    bool is_bf16;
};

constexpr int few_items = 64;
constexpr int many_items = 512;

template <class T>
__device__ __forceinline__ double sum_of_squares(const T* x, int count) {
    constexpr int width = vector_width<T>;
    double total = 0.0;
    int begin = 0;
    if (reinterpret_cast<std::uintptr_t>(x) % 16 == 0) {
        begin = count / width * width;
        for (int i = static_cast<int>(threadIdx.x) * width; i < begin; i += threads * width) {
            const auto group = load_group<width>(x + i);
            BALMER_UNROLL
            for (int k = 0; k < width; ++k) {
                const double value = to_float(group.values[k]);
                total += value * value;
            }
        }
    }
    for (int i = begin + static_cast<int>(threadIdx.x); i < count; i += threads) {
        const double value = to_float(x[i]);
        total += value * value;
    }
    return total;
}

template <int capacity>
__global__ void __launch_bounds__(threads)
    norm_kernel(const TensorTable<NormItem, capacity> table, double* partial) {
    SharedMemory memory;
    auto* scratch = memory.array<double>(32);
    const int number = table.find(blockIdx.x);
    const NormItem& item = table.items[number];
    const std::int64_t begin = std::int64_t{blockIdx.x - table.first_block[number]} * chunk;
    const std::int64_t rest = item.count - begin;
    const int count = rest < chunk ? static_cast<int>(rest) : chunk;
    const double total =
        item.is_bf16 ? sum_of_squares(static_cast<const bfloat16*>(item.data) + begin, count)
                     : sum_of_squares(static_cast<const float*>(item.data) + begin, count);
    const double sum = block_sum(total, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// One block adds up the blocks of all launches.
__global__ void __launch_bounds__(finish_threads)
    finish_norm(const double* partial, std::int64_t count, void* out, bool is_f64) {
    SharedMemory memory;
    auto* scratch = memory.array<double>(32);
    double total = 0.0;
    for (std::int64_t i = threadIdx.x; i < count; i += finish_threads) total += partial[i];
    const double norm = sqrt(block_sum(total, scratch));
    if (threadIdx.x != 0) return;
    if (is_f64) {
        *static_cast<double*>(out) = norm;
    } else {
        *static_cast<float*>(out) = static_cast<float>(norm);
    }
}

template <int capacity>
void run_norm(const Context& context, std::span<const NormItem> items, double* partial) {
    for_each_table<capacity>(items, chunk, [&](const auto& table, unsigned blocks) {
        launch("global_norm", context, norm_kernel<capacity>,
               {{blocks}, threads, shared_bytes_of(32 * sizeof(double))}, table, partial);
        partial += blocks;
    });
}

__global__ void set_flag(std::int32_t* flag, std::int32_t value) {
    if (threadIdx.x == 0) *flag = value;
}

/// Takes the flag back where an element is not finite; blocks that do so write the same.
template <class T, int width>
__global__ void __launch_bounds__(threads)
    finite_kernel(std::int32_t* flag, const T* x, Dimensions dimensions, std::int64_t groups) {
    bool is_bad = false;
    const std::int64_t step = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < groups; i += step) {
        const auto group = load_group<width>(x + dimensions.offset(i));
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            is_bad = is_bad || !(fabsf(to_float(group.values[k])) < infinity);
        }
    }
    if (__syncthreads_or(is_bad ? 1 : 0) != 0 && threadIdx.x == 0) *flag = 0;
}

template <class T>
void run_finite(const Context& context, const AllFinite& arguments) {
    constexpr int width = vector_width<T>;
    const View& view = arguments.view;
    auto* flag = arguments.out.as<std::int32_t>();
    launch("all_finite", context, set_flag, {{1}, lanes_per_warp}, flag, 1);
    Dimensions dimensions;
    for (int i = 0; i < view.shape.rank(); ++i) {
        if (view.shape[i] != 1) dimensions.push_back({view.shape[i], view.strides[i], 0});
    }
    dimensions.sort_and_merge();
    std::int64_t groups = view.numel();
    const bool fits = dimensions.rank() == 1 && dimensions.inner().stride == 1 &&
                      groups % width == 0 && reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
    if (fits) {
        groups /= width;
        dimensions.pop_inner();
        dimensions.push_back({groups, width, 0});
    }
    const auto blocks = std::min<std::int64_t>((groups + threads - 1) / threads, 132 * 8);
    launch("all_finite", context, fits ? finite_kernel<T, width> : finite_kernel<T, 1>,
           {{static_cast<unsigned>(blocks)}, threads}, flag, view.as<T>(), dimensions, groups);
}

}  // namespace

template <DeviceType device>
std::string accepts_global_norm_device(const Context& context, const GlobalNorm& arguments) {
    std::string reason = accepts_on(device, context, DType::f32);
    for (const View& view : arguments.views) {
        if (reason.empty()) reason = accepts_on(device, context, view.dtype);
    }
    return reason;
}
template <DeviceType device>
void global_norm_device(const Context& context, const GlobalNorm& arguments) {
    std::vector<NormItem> items;
    std::int64_t blocks = 0;
    for (const View& view : arguments.views) {
        items.push_back({view.data, view.numel(), view.dtype == DType::bf16});
        blocks += (view.numel() + chunk - 1) / chunk;
    }
    const Buffer partial(context, blocks * sizeof(double));
    auto* sums = static_cast<double*>(partial.data());
    if (items.size() <= few_items) {
        run_norm<few_items>(context, items, sums);
    } else {
        run_norm<many_items>(context, items, sums);
    }
    launch("global_norm", context, finish_norm,
           {{1}, finish_threads, shared_bytes_of(32 * sizeof(double))}, sums, blocks,
           arguments.out.data, arguments.out.dtype == DType::f64);
}

template <DeviceType device>
std::string accepts_all_finite_device(const Context& context, const AllFinite& arguments) {
    return accepts_on(device, context, arguments.view.dtype);
}
template <DeviceType device>
void all_finite_device(const Context& context, const AllFinite& arguments) {
    if (arguments.view.dtype == DType::bf16) {
        run_finite<bfloat16>(context, arguments);
    } else {
        run_finite<float>(context, arguments);
    }
}

template std::string accepts_global_norm_device<this_device>(const Context&, const GlobalNorm&);
template void global_norm_device<this_device>(const Context&, const GlobalNorm&);
template std::string accepts_all_finite_device<this_device>(const Context&, const AllFinite&);
template void all_finite_device<this_device>(const Context&, const AllFinite&);

}  // namespace balmer::kernels
