// Layer normalisation on the device. A team of threads holds a row in registers: a warp for rows of
// up to 256 groups of 16 bytes (bf16: 2048 columns, f32: 1024), a block of 256 threads for eight
// times as many. So x and the residual are read once, y and the sum written once, and both passes
// of the statistics run over registers: a row of 768 bf16 columns moves 3072 bytes (6144 with a
// residual), the least there is, against some 20 instructions an element pair; weight and bias come
// from the first-level cache. Longer rows, and odd ones without 16-byte alignment beyond 2048
// columns, are read again for each pass.

#include <algorithm>

#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/core/device_rows.cuh"
#include "kernels/layer_norm/layer_norm_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;

/// The views of LayerNormForward, as kernels take them.
template <class T>
struct Rows {
    const T* x;
    const T* residual;  ///< null for none
    const float* weight;
    const float* bias;
    T* y;
    T* sum;
    float* mean;
    float* reciprocal_deviation;
    std::int64_t x_stride;
    std::int64_t residual_stride;
    std::int64_t y_stride;
    std::int64_t sum_stride;
    std::int64_t count;
    int columns;
    float epsilon;
};

template <class T>
__device__ __forceinline__ void write_statistics(const Rows<T>& rows, std::int64_t row, float mean,
                                                 float reciprocal) {
    rows.mean[row] = mean;
    rows.reciprocal_deviation[row] = reciprocal;
}

/// `team` threads a row, each of which holds `groups` groups of `width` columns.
template <class T, int width, int groups, int team>
__global__ void __launch_bounds__(threads) normalise_rows(Rows<T> rows) {
    constexpr int teams = threads / team;
    SharedMemory memory;
    float* scratch = team > lanes_per_warp ? memory.array<float>(32) : nullptr;
    const int thread = static_cast<int>(threadIdx.x);
    const std::int64_t row = std::int64_t{blockIdx.x} * teams + thread / team;
    if (row >= rows.count) return;
    const auto column_of = [=](int group) { return (group * team + thread % team) * width; };

    Group<T, width> x[groups] = {};
    const T* from = rows.x + row * rows.x_stride;
    BALMER_UNROLL
    for (int g = 0; g < groups; ++g) {
        const int column = column_of(g);
        if (column < rows.columns) x[g] = load_group<width>(from + column);
    }
    if (rows.residual != nullptr) {
        Group<T, width> residual[groups] = {};
        const T* residual_from = rows.residual + row * rows.residual_stride;
        BALMER_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int column = column_of(g);
            if (column < rows.columns) residual[g] = load_group<width>(residual_from + column);
        }
        T* sum = rows.sum + row * rows.sum_stride;
        BALMER_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int column = column_of(g);
            if (column >= rows.columns) continue;
            BALMER_UNROLL
            for (int k = 0; k < width; ++k) {
                x[g].values[k] =
                    from_float<T>(to_float(x[g].values[k]) + to_float(residual[g].values[k]));
            }
            store_group(sum + column, x[g]);
        }
    }

    float total = 0.0F;
    BALMER_UNROLL
    for (int g = 0; g < groups; ++g) {
        if (column_of(g) >= rows.columns) continue;
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) total += to_float(x[g].values[k]);
    }
    const auto columns = static_cast<float>(rows.columns);
    const float mean = team_sum<team>(total, scratch) / columns;
    float squares = 0.0F;
    BALMER_UNROLL
    for (int g = 0; g < groups; ++g) {
        if (column_of(g) >= rows.columns) continue;
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            const float deviation = to_float(x[g].values[k]) - mean;
            squares += deviation * deviation;
        }
    }
    const float variance = team_sum<team>(squares, scratch) / columns;
    const float reciprocal = reciprocal_square_root(variance + rows.epsilon);

    T* y = rows.y + row * rows.y_stride;
    BALMER_UNROLL
    for (int g = 0; g < groups; ++g) {
        const int column = column_of(g);
        if (column >= rows.columns) continue;
        const auto weight = load_group<width>(rows.weight + column);
        const auto bias = load_group<width>(rows.bias + column);
        Group<T, width> out;
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            const float normal = (to_float(x[g].values[k]) - mean) * reciprocal;
            out.values[k] = from_float<T>(normal * weight.values[k] + bias.values[k]);
        }
        store_group(y + column, out);
    }
    if (thread % team == 0) write_statistics(rows, row, mean, reciprocal);
}

/// A block a row of any length, which it reads three times.
template <class T>
__global__ void __launch_bounds__(threads) normalise_long_rows(Rows<T> rows) {
    SharedMemory memory;
    float* scratch = memory.array<float>(32);
    const std::int64_t row = blockIdx.x;
    const int first = static_cast<int>(threadIdx.x);
    const T* x = rows.x + row * rows.x_stride;
    float total = 0.0F;
    if (rows.residual != nullptr) {
        const T* residual = rows.residual + row * rows.residual_stride;
        T* sum = rows.sum + row * rows.sum_stride;
        for (int i = first; i < rows.columns; i += threads) {
            sum[i] = from_float<T>(to_float(x[i]) + to_float(residual[i]));
            total += to_float(sum[i]);
        }
        x = sum;
    } else {
        for (int i = first; i < rows.columns; i += threads) total += to_float(x[i]);
    }
    const auto columns = static_cast<float>(rows.columns);
    const float mean = block_sum(total, scratch) / columns;
    float squares = 0.0F;
    for (int i = first; i < rows.columns; i += threads) {
        const float deviation = to_float(x[i]) - mean;
        squares += deviation * deviation;
    }
    const float variance = block_sum(squares, scratch) / columns;
    const float reciprocal = reciprocal_square_root(variance + rows.epsilon);
    T* y = rows.y + row * rows.y_stride;
    for (int i = first; i < rows.columns; i += threads) {
        const float normal = (to_float(x[i]) - mean) * reciprocal;
        y[i] = from_float<T>(normal * rows.weight[i] + rows.bias[i]);
    }
    if (first == 0) write_statistics(rows, row, mean, reciprocal);
}

template <class T>
void launch_rows(const Context& context, void (*kernel)(Rows<T>), int team, const Rows<T>& rows) {
    const std::int64_t teams = threads / team;
    const auto blocks = static_cast<unsigned>((rows.count + teams - 1) / teams);
    const std::size_t shared =
        team > lanes_per_warp ? shared_bytes_of(lanes_per_warp * sizeof(float)) : 0;
    launch("layer_norm", context, kernel, {{blocks}, threads, shared}, rows);
}

template <class T, int width>
void run(const Context& context, const Rows<T>& rows) {
    const std::int64_t units = (rows.columns + width - 1) / width;
    const auto of_warps = [&](auto groups) {
        launch_rows(context, normalise_rows<T, width, groups, lanes_per_warp>, lanes_per_warp,
                    rows);
    };
    const auto of_blocks = [&](auto groups) {
        launch_rows(context, normalise_rows<T, width, groups, threads>, threads, rows);
    };
    if (!with_at_least<1, 2, 3, 4, 6, 8>((units + 31) / 32, of_warps) &&
        !with_at_least<2, 4, 8>((units + threads - 1) / threads, of_blocks)) {
        launch_rows(context, normalise_long_rows<T>, threads, rows);
    }
}

template <class T>
void run(const Context& context, const LayerNormForward& arguments) {
    const auto stride = [](const View& view) { return view ? view.strides[0] : 0; };
    const View& x = arguments.x;
    const bool has_residual = static_cast<bool>(arguments.residual);
    const Rows<T> rows{x.as<T>(),
                       has_residual ? arguments.residual.as<T>() : nullptr,
                       arguments.weight.as<float>(),
                       arguments.bias.as<float>(),
                       arguments.y.as<T>(),
                       has_residual ? arguments.sum.as<T>() : nullptr,
                       arguments.mean.as<float>(),
                       arguments.reciprocal_deviation.as<float>(),
                       x.strides[0],
                       stride(arguments.residual),
                       arguments.y.strides[0],
                       has_residual ? stride(arguments.sum) : 0,
                       x.shape[0],
                       static_cast<int>(x.shape[1]),
                       static_cast<float>(arguments.epsilon)};
    bool fits = true;
    for (const View* view : {&x, &arguments.y, &arguments.weight, &arguments.bias}) {
        fits = fits && has_vector_rows(*view);
    }
    if (has_residual) {
        fits = fits && has_vector_rows(arguments.residual) && has_vector_rows(arguments.sum);
    }
    if (fits) {
        run<T, vector_width<T>>(context, rows);
    } else {
        run<T, 1>(context, rows);
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_layer_norm_device(const Context& context, const LayerNormForward& arguments) {
    if (arguments.x.shape[1] > (1 << 30)) return "takes rows of at most 2^30 elements";
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void layer_norm_device(const Context& context, const LayerNormForward& arguments) {
    if (arguments.x.dtype == DType::bf16) {
        run<bfloat16>(context, arguments);
    } else {
        run<float>(context, arguments);
    }
}

template std::string accepts_layer_norm_device<this_device>(const Context&,
                                                            const LayerNormForward&);
template void layer_norm_device<this_device>(const Context&, const LayerNormForward&);

}  // namespace balmer::kernels
