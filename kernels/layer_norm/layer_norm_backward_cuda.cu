// The backward pass of layer normalisation on the device (the mathematics: layer_norm_cpu.cpp).
// Up to three blocks on each of an H100's 132 multiprocessors stay for the whole launch. A team of
// threads, a warp or a block, holds a row of dy and x in registers, so that both, and the addend,
// are read once and dx written once: 4608 bytes a row of 768 bf16 columns, 6144 with an addend.
// What a row adds to the gradients of weight and bias stays in registers over all rows of the team
// (48 floats a lane at 768 columns); at the end the warps of a block are added in order through
// shared memory, and a second kernel adds the blocks, in order too. The number of blocks depends on
// the shape alone, so the bits are the same on every device with the same arithmetic.
//
// Rows that do not fit are read twice for dx, and dy and x once more, by columns, for the gradients
// of weight and bias.

#include <algorithm>

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/core/device_rows.cuh"
#include "kernels/layer_norm/layer_norm_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr int finish_threads = 1024;

/// Teams of a warp come in blocks of four: with up to 24 columns a lane, three of them share a
/// multiprocessor's registers (168 a thread), with up to 32 two. Of blocks of one team there is
/// one.
template <int team>
inline constexpr int threads_of = team > lanes_per_warp ? threads : 128;
template <int team, int columns_each>
inline constexpr int blocks_each = team > lanes_per_warp ? 1 : (columns_each > 24 ? 2 : 3);
constexpr int multiprocessors = 132;

/// The views of LayerNormBackward, as kernels take them. `partial` [blocks, 2, columns] gets what a
/// block adds to the gradients of weight and bias.
template <class T>
struct Rows {
    const T* dy;
    const T* x;
    const T* addend;  ///< null for none
    T* dx;
    const float* weight;
    const float* mean;
    const float* reciprocal_deviation;
    float* partial;
    std::int64_t dy_stride;
    std::int64_t x_stride;
    std::int64_t addend_stride;
    std::int64_t dx_stride;
    std::int64_t count;
    int columns;
};

/// `team` threads a row, each of which holds `groups` groups of `width` columns.
template <class T, int width, int groups, int team>
__global__ void __launch_bounds__(threads_of<team>, blocks_each<team, groups * width>)
    differentiate_rows(Rows<T> rows) {
    constexpr int teams = threads_of<team> / team;
    SharedMemory memory;
    float* scratch = team > lanes_per_warp ? memory.array<float>(64) : nullptr;
    const int thread = static_cast<int>(threadIdx.x);
    const auto column_of = [=](int group) { return (group * team + thread % team) * width; };
    const float inverse_columns = 1.0F / static_cast<float>(rows.columns);
    Group<float, width> weight_share[groups];
    Group<float, width> bias_share[groups];
    BALMER_UNROLL
    for (int g = 0; g < groups; ++g) {
        BALMER_UNROLL
        for (int k = 0; k < width; ++k) {
            weight_share[g].values[k] = 0.0F;
            bias_share[g].values[k] = 0.0F;
        }
    }

    const std::int64_t step = std::int64_t{gridDim.x} * teams;
    for (std::int64_t row = std::int64_t{blockIdx.x} * teams + thread / team; row < rows.count;
         row += step) {
        Group<T, width> x[groups] = {};
        Group<T, width> dy[groups] = {};
        BALMER_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int column = column_of(g);
            if (column >= rows.columns) continue;
            x[g] = load_group<width>(rows.x + row * rows.x_stride + column);
            dy[g] = load_group<width>(rows.dy + row * rows.dy_stride + column);
        }
        const float mean = rows.mean[row];
        const float reciprocal = rows.reciprocal_deviation[row];
        float sum = 0.0F;
        float sum_normal = 0.0F;
        BALMER_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int column = column_of(g);
            if (column >= rows.columns) continue;
            const auto weight = load_group<width>(rows.weight + column);
            BALMER_UNROLL
            for (int k = 0; k < width; ++k) {
                const float normal = (to_float(x[g].values[k]) - mean) * reciprocal;
                const float gradient = to_float(dy[g].values[k]);
                weight_share[g].values[k] += gradient * normal;
                bias_share[g].values[k] += gradient;
                sum += gradient * weight.values[k];
                sum_normal += gradient * weight.values[k] * normal;
            }
        }
        team_sum<team>(sum, sum_normal, scratch);
        const float mean_gradient = sum * inverse_columns;
        const float mean_normal = sum_normal * inverse_columns;
        BALMER_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int column = column_of(g);
            if (column >= rows.columns) continue;
            const auto weight = load_group<width>(rows.weight + column);
            Group<T, width> addend = {};
            if (rows.addend != nullptr) {
                addend = load_group<width>(rows.addend + row * rows.addend_stride + column);
            }
            Group<T, width> out;
            BALMER_UNROLL
            for (int k = 0; k < width; ++k) {
                const float normal = (to_float(x[g].values[k]) - mean) * reciprocal;
                float value = to_float(dy[g].values[k]) * weight.values[k];
                value = reciprocal * (value - mean_gradient - normal * mean_normal);
                if (rows.addend != nullptr) value += to_float(addend.values[k]);
                out.values[k] = from_float<T>(value);
            }
            store_group(rows.dx + row * rows.dx_stride + column, out);
        }
    }

    float* partial = rows.partial + std::int64_t{blockIdx.x} * 2 * rows.columns;
    float* total = team > lanes_per_warp ? partial : memory.array<float>(2 * rows.columns);
    for (int turn = 0; turn < teams; ++turn) {
        if (thread / team == turn) {
            BALMER_UNROLL
            for (int g = 0; g < groups; ++g) {
                const int column = column_of(g);
                if (column >= rows.columns) continue;
                float* weight_total = total + column;
                float* bias_total = weight_total + rows.columns;
                if (turn > 0) {
                    const auto weight_before = load_group<width>(weight_total);
                    const auto bias_before = load_group<width>(bias_total);
                    BALMER_UNROLL
                    for (int k = 0; k < width; ++k) {
                        weight_share[g].values[k] += weight_before.values[k];
                        bias_share[g].values[k] += bias_before.values[k];
                    }
                }
                store_group(weight_total, weight_share[g]);
                store_group(bias_total, bias_share[g]);
            }
        }
        if constexpr (teams > 1) __syncthreads();
    }
    if constexpr (teams > 1) {
        for (int i = thread; i < 2 * rows.columns; i += threads_of<team>) partial[i] = total[i];
    }
}

/// dx of rows of any length, a block a row.
template <class T>
__global__ void __launch_bounds__(threads) differentiate_long_rows(Rows<T> rows) {
    SharedMemory memory;
    float* scratch = memory.array<float>(64);
    const std::int64_t row = blockIdx.x;
    const int first = static_cast<int>(threadIdx.x);
    const T* x = rows.x + row * rows.x_stride;
    const T* dy = rows.dy + row * rows.dy_stride;
    const float mean = rows.mean[row];
    const float reciprocal = rows.reciprocal_deviation[row];
    float sum = 0.0F;
    float sum_normal = 0.0F;
    for (int i = first; i < rows.columns; i += threads) {
        const float gradient = to_float(dy[i]) * rows.weight[i];
        sum += gradient;
        sum_normal += gradient * ((to_float(x[i]) - mean) * reciprocal);
    }
    team_sum<threads>(sum, sum_normal, scratch);
    const float mean_gradient = sum / static_cast<float>(rows.columns);
    const float mean_normal = sum_normal / static_cast<float>(rows.columns);
    const T* addend = rows.addend != nullptr ? rows.addend + row * rows.addend_stride : nullptr;
    T* dx = rows.dx + row * rows.dx_stride;
    for (int i = first; i < rows.columns; i += threads) {
        const float normal = (to_float(x[i]) - mean) * reciprocal;
        float value = to_float(dy[i]) * rows.weight[i];
        value = reciprocal * (value - mean_gradient - normal * mean_normal);
        if (addend != nullptr) value += to_float(addend[i]);
        dx[i] = from_float<T>(value);
    }
}

/// What chunk blockIdx.y of the rows adds to the gradients of 32 columns of weight and bias.
template <class T>
__global__ void __launch_bounds__(threads) differentiate_columns(Rows<T> rows) {
    constexpr int warps = threads / lanes_per_warp;
    SharedMemory memory;
    float* scratch = memory.array<float>(2 * threads);
    const int thread = static_cast<int>(threadIdx.x);
    const int column = static_cast<int>(blockIdx.x) * lanes_per_warp + thread % lanes_per_warp;
    const std::int64_t begin = rows.count * blockIdx.y / gridDim.y;
    const std::int64_t end = rows.count * (blockIdx.y + 1) / gridDim.y;
    float weight_share = 0.0F;
    float bias_share = 0.0F;
    if (column < rows.columns) {
        for (std::int64_t row = begin + thread / lanes_per_warp; row < end; row += warps) {
            const float gradient = to_float(rows.dy[row * rows.dy_stride + column]);
            const float deviation = to_float(rows.x[row * rows.x_stride + column]) - rows.mean[row];
            weight_share += gradient * (deviation * rows.reciprocal_deviation[row]);
            bias_share += gradient;
        }
    }
    scratch[thread] = weight_share;
    scratch[threads + thread] = bias_share;
    __syncthreads();
    if (thread >= lanes_per_warp || column >= rows.columns) return;
    for (int i = thread + lanes_per_warp; i < threads; i += lanes_per_warp) {
        weight_share += scratch[i];
        bias_share += scratch[threads + i];
    }
    float* partial = rows.partial + std::int64_t{blockIdx.y} * 2 * rows.columns;
    partial[column] = weight_share;
    partial[rows.columns + column] = bias_share;
}

/// The sums of `partial` [count, 2, columns] over its first dimension.
__global__ void __launch_bounds__(finish_threads)
    finish_gradients(float* weight_gradient, float* bias_gradient, const float* partial,
                     std::int64_t count, int columns) {
    SharedMemory memory;
    float* scratch = memory.array<float>(finish_threads);
    const int column = static_cast<int>(blockIdx.x) * lanes_per_warp +
                       static_cast<int>(threadIdx.x) % lanes_per_warp;
    const bool is_inside = column < 2 * columns;
    const float total = column_total(is_inside ? partial + column : nullptr, count,
                                     std::int64_t{2} * columns, scratch);
    if (threadIdx.x >= lanes_per_warp || !is_inside) return;
    (column < columns ? weight_gradient : bias_gradient - columns)[column] = total;
}

/// Launches kernels on rows whose `partial` is still missing, and the second stage.
template <class T>
class Backward {
  public:
    Backward(const Context& context, const LayerNormBackward& arguments, const Rows<T>& rows)
        : context_(context), arguments_(arguments), rows_(rows) {}

    template <int width>
    void run() {
        const std::int64_t units = (rows_.columns + width - 1) / width;
        const auto of_warps = [&](auto groups) {
            launch_rows<lanes_per_warp, groups * width>(
                differentiate_rows<T, width, groups, lanes_per_warp>);
        };
        const auto of_blocks = [&](auto groups) {
            launch_rows<threads, groups * width>(differentiate_rows<T, width, groups, threads>);
        };
        // More than 32 columns a lane would not leave room for their shares.
        bool is_done = false;
        if constexpr (width == 8) {
            is_done = with_at_least<1, 2, 3, 4>((units + 31) / 32, of_warps) ||
                      with_at_least<2, 4>((units + threads - 1) / threads, of_blocks);
        } else {
            is_done = with_at_least<1, 2, 3, 4, 6, 8>((units + 31) / 32, of_warps) ||
                      with_at_least<2, 4, 8>((units + threads - 1) / threads, of_blocks);
        }
        if (!is_done) launch_long_rows();
    }

  private:
    template <int team, int columns_each>
    void launch_rows(void (*kernel)(Rows<T>)) {
        constexpr std::int64_t teams = threads_of<team> / team;
        constexpr std::int64_t most_blocks = blocks_each<team, columns_each> * multiprocessors;
        const auto blocks =
            std::clamp<std::int64_t>((rows_.count + teams - 1) / teams, 1, most_blocks);
        const std::size_t floats = team > lanes_per_warp ? 64 : 2 * rows_.columns;
        const Buffer partial = reserve(blocks);
        launch("layer_norm_backward", context_, kernel,
               {{static_cast<unsigned>(blocks)},
                threads_of<team>,
                shared_bytes_of(floats * sizeof(float))},
               rows_);
        finish(blocks);
    }

    /// The columns first: dx may take the place of dy.
    void launch_long_rows() {
        const auto chunks = std::clamp<std::int64_t>(rows_.count / 64, 1, 64);
        const auto tiles = static_cast<unsigned>((rows_.columns + 31) / lanes_per_warp);
        const Buffer partial = reserve(chunks);
        launch("layer_norm_backward", context_, differentiate_columns<T>,
               {{tiles, static_cast<unsigned>(chunks)},
                threads,
                shared_bytes_of(2 * threads * sizeof(float))},
               rows_);
        finish(chunks);
        launch("layer_norm_backward", context_, differentiate_long_rows<T>,
               {{static_cast<unsigned>(rows_.count)}, threads, shared_bytes_of(64 * sizeof(float))},
               rows_);
    }

    Buffer reserve(std::int64_t blocks) {
        Buffer partial(context_, blocks * 2 * rows_.columns * sizeof(float));
        rows_.partial = static_cast<float*>(partial.data());
        return partial;
    }

    void finish(std::int64_t blocks) {
        const auto tiles = static_cast<unsigned>((std::int64_t{2} * rows_.columns + 31) / 32);
        launch("layer_norm_backward", context_, finish_gradients,
               {{tiles}, finish_threads, shared_bytes_of(finish_threads * sizeof(float))},
               arguments_.weight_gradient.as<float>(), arguments_.bias_gradient.as<float>(),
               rows_.partial, blocks, rows_.columns);
    }

    const Context& context_;
    const LayerNormBackward& arguments_;
    Rows<T> rows_;
};

template <class T>
void run(const Context& context, const LayerNormBackward& arguments) {
    const View& x = arguments.x;
    const View& addend = arguments.dx_addend;
    Rows<T> rows{};
    rows.dy = arguments.dy.as<T>();
    rows.x = x.as<T>();
    rows.addend = addend ? addend.as<T>() : nullptr;
    rows.dx = arguments.dx.as<T>();
    rows.weight = arguments.weight.as<float>();
    rows.mean = arguments.mean.as<float>();
    rows.reciprocal_deviation = arguments.reciprocal_deviation.as<float>();
    rows.dy_stride = arguments.dy.strides[0];
    rows.x_stride = x.strides[0];
    rows.addend_stride = addend ? addend.strides[0] : 0;
    rows.dx_stride = arguments.dx.strides[0];
    rows.count = x.shape[0];
    rows.columns = static_cast<int>(x.shape[1]);
    bool fits = true;
    for (const View* view : {&x, &arguments.dy, &addend, &arguments.dx, &arguments.weight}) {
        fits = fits && has_vector_rows(*view);
    }
    Backward<T> backward(context, arguments, rows);
    if (fits) {
        backward.template run<vector_width<T>>();
    } else {
        backward.template run<1>();
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_layer_norm_backward_device(const Context& context,
                                               const LayerNormBackward& arguments) {
    if (arguments.x.shape[1] > (1 << 29)) return "takes rows of at most 2^29 elements";
    return accepts_on(device, context, arguments.x.dtype);
}
template <DeviceType device>
void layer_norm_backward_device(const Context& context, const LayerNormBackward& arguments) {
    if (arguments.x.dtype == DType::bf16) {
        run<bfloat16>(context, arguments);
    } else {
        run<float>(context, arguments);
    }
}

template std::string accepts_layer_norm_backward_device<this_device>(const Context&,
                                                                     const LayerNormBackward&);
template void layer_norm_backward_device<this_device>(const Context&, const LayerNormBackward&);

}  // namespace balmer::kernels
