// Dropout and drop path on the device: one read (two with a residual) and one write, 16 bytes a
// thread where operands are aligned. A sample that is left out is not read at all. Random numbers
// are made where they are used: Philox takes 10 rounds of 2 wide multiplications and 6 other
// operations. Dropout makes 4 elements of a call; drop path decides once for the up to 4 groups of
// one sample that a thread handles.

#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/dropout/dropout_cuda.h"
#include "kernels/dropout/dropout_rule.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr int groups_of_thread = 4;

struct Place {
    std::uint64_t seed;
    std::uint64_t stream;
    std::uint64_t position;
    const std::int64_t* advance;
};

Place device_place(const RandomPlace& place) {
    return {place.seed, place.stream, place.position,
            place.advance ? place.advance.as<std::int64_t>() : nullptr};
}

__device__ __forceinline__ std::uint64_t start_of(const Place& place) {
    return place.position +
           (place.advance != nullptr ? static_cast<std::uint64_t>(*place.advance) : 0);
}

/// `width` elements (1, or whole fours) at a time.
template <class T, int width>
__global__ void __launch_bounds__(threads)
    dropout_kernel(T* y, const T* x, std::int64_t groups, float scale, std::uint64_t threshold,
                   Place place) {
    const std::uint64_t start = start_of(place);
    const std::int64_t stride = std::int64_t{gridDim.x} * threads;
    for (std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x; i < groups;
         i += stride) {
        auto group = reinterpret_cast<const Group<T, width>*>(x)[i];
        BALMER_UNROLL
        for (int first = 0; first < width; first += 4) {
            const std::int64_t element = i * width + first;
            const auto words =
                philox(place.seed, place.stream, start + static_cast<std::uint64_t>(element / 4));
            BALMER_UNROLL
            for (int k = 0; k < (width < 4 ? width : 4); ++k) {
                std::uint32_t word = words[k];
                if (width == 1) {
                    const int lane = static_cast<int>(element % 4);
                    word = lane == 0   ? words[0]
                           : lane == 1 ? words[1]
                           : lane == 2 ? words[2]
                                       : words[3];
                }
                const float value = to_float(group.values[first + k]) * scale;
                group.values[first + k] = from_float<T>(word < threshold ? 0.0F : value);
            }
        }
        reinterpret_cast<Group<T, width>*>(y)[i] = group;
    }
}

template <class T, int width>
__global__ void __launch_bounds__(threads)
    drop_path_kernel(T* y, const T* x, const T* residual, std::int64_t groups,
                     std::int64_t groups_in_sample, float scale, std::uint64_t threshold,
                     Place place) {
    const std::uint64_t start = start_of(place);
    const std::int64_t first =
        std::int64_t{blockIdx.x} * (threads * groups_of_thread) + threadIdx.x;
    std::int64_t sample = -1;
    bool is_dropped = false;
    BALMER_UNROLL
    for (int k = 0; k < groups_of_thread; ++k) {
        const std::int64_t i = first + k * threads;
        if (i >= groups) return;
        if (i / groups_in_sample != sample) {
            sample = i / groups_in_sample;
            is_dropped = is_sample_dropped(place.seed, place.stream,
                                           start + static_cast<std::uint64_t>(sample), threshold);
        }
        Group<T, width> out;
        if (residual != nullptr) {
            out = reinterpret_cast<const Group<T, width>*>(residual)[i];
        } else {
            BALMER_UNROLL
            for (int e = 0; e < width; ++e) out.values[e] = from_float<T>(0.0F);
        }
        if (!is_dropped) {
            const auto in = reinterpret_cast<const Group<T, width>*>(x)[i];
            BALMER_UNROLL
            for (int e = 0; e < width; ++e) {
                const float value = to_float(in.values[e]);
                out.values[e] =
                    from_float<T>(residual == nullptr
                                      ? value * scale
                                      : fused_multiply_add(value, scale, to_float(out.values[e])));
            }
        }
        reinterpret_cast<Group<T, width>*>(y)[i] = out;
    }
}

bool is_aligned(const View& view) {
    return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
}

template <class T>
void run_dropout(const Context& context, const Dropout& arguments) {
    constexpr int vector = 16 / sizeof(T);
    const bool fits =
        is_aligned(arguments.x) && is_aligned(arguments.y) && arguments.x.numel() % vector == 0;
    const std::int64_t groups = arguments.x.numel() / (fits ? vector : 1);
    const LaunchShape shape{
        {static_cast<unsigned>(std::min<std::int64_t>((groups + threads - 1) / threads, 16384))},
        threads};
    launch("dropout", context, fits ? dropout_kernel<T, vector> : dropout_kernel<T, 1>, shape,
           arguments.y.as<T>(), arguments.x.as<T>(), groups,
           static_cast<float>(1.0 / (1.0 - arguments.probability)),
           dropout_threshold(arguments.probability), device_place(arguments.place));
}

template <class T>
void run_drop_path(const Context& context, const DropPath& arguments) {
    constexpr int vector = 16 / sizeof(T);
    const std::int64_t columns = arguments.x.shape[1];
    const bool fits = is_aligned(arguments.x) && is_aligned(arguments.residual) &&
                      is_aligned(arguments.y) && columns % vector == 0;
    const std::int64_t groups = arguments.x.numel() / (fits ? vector : 1);
    const std::int64_t block = threads * groups_of_thread;
    const LaunchShape shape{{static_cast<unsigned>((groups + block - 1) / block)}, threads};
    launch("drop_path", context, fits ? drop_path_kernel<T, vector> : drop_path_kernel<T, 1>, shape,
           arguments.y.as<T>(), arguments.x.as<T>(),
           arguments.residual ? arguments.residual.as<T>() : nullptr, groups,
           columns / (fits ? vector : 1), static_cast<float>(1.0 / (1.0 - arguments.probability)),
           drop_path_threshold(arguments.probability), device_place(arguments.place));
}

}  // namespace

template <DeviceType device>
std::string accepts_dropout_device(const Context& context, const Dropout& arguments) {
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void dropout_device(const Context& context, const Dropout& arguments) {
    if (arguments.x.dtype == DType::bf16) {
        run_dropout<bfloat16>(context, arguments);
    } else {
        run_dropout<float>(context, arguments);
    }
}
template <DeviceType device>
std::string accepts_drop_path_device(const Context& context, const DropPath& arguments) {
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void drop_path_device(const Context& context, const DropPath& arguments) {
    if (arguments.x.dtype == DType::bf16) {
        run_drop_path<bfloat16>(context, arguments);
    } else {
        run_drop_path<float>(context, arguments);
    }
}

template std::string accepts_dropout_device<this_device>(const Context&, const Dropout&);
template void dropout_device<this_device>(const Context&, const Dropout&);
template std::string accepts_drop_path_device<this_device>(const Context&, const DropPath&);
template void drop_path_device<this_device>(const Context&, const DropPath&);

}  // namespace balmer::kernels
