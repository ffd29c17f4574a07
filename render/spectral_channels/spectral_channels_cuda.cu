// Spectral channels on the device, bit for bit as spectral_channels_cpu.cpp: the same operations in
// f64 in the same order (spectral_channels_math.h), without contraction.
//
// A block takes one spectrum after another. A thread adds up a tile of 32 pixels, one thread a sum
// chains the tiles: the order of the CPU's prefix sums. Quantiles are selected exactly, eight bits
// of the floats a round, with counters in shared memory, so that no order matters.
//
// Expected cost: about 25 passes over f64 rows of 4691 pixels (38 KB each), 1 MB a spectrum, out of
// the L2 cache, where the scratch rows of an H200's 132 blocks (340 KB each, 45 MB) lie: by
// arithmetic some 0.3 us a spectrum at 4 TB/s, a thousandth of a training step of ViT-B/16 on its
// image. Nine such rows do not fit in shared memory. Some 200 registers a thread, one block a
// multiprocessor.

#include "render/spectral_channels/spectral_channels_cuda.h"

#include <algorithm>

#include "render/device_image.cuh"
#include "render/device_quantile.cuh"
#include "render/spectral_channels/spectral_channels_math.h"

namespace balmer::render {
namespace {

using namespace spectral;

constexpr int threads = 256;
constexpr int most_sums = 5;
constexpr int level_starts = 2 * 255;

/// The rows of f64 numbers that a block works in, each with room for n + 1 pixels.
struct Scratch {
    double* memory;
    std::int64_t row;

    static constexpr std::int64_t rows = 4 + most_sums;

    __device__ double* flux() const { return memory; }
    __device__ double* weight() const { return memory + row; }  // 0 where bad
    /// 0 where bad or rejected; in the end the shape.
    __device__ double* fit_weight() const { return memory + 2 * row; }
    __device__ double* continuum() const { return memory + 3 * row; }
    __device__ double* sums(int s) const { return memory + (4 + s) * row; }
};

/// What a block keeps in shared memory.
struct Shared {
    double* totals;  // [most_sums, threads]
    Selection selection;
    double* levels;  // [level_starts]
};

std::size_t shared_bytes() {
    return shared_bytes_of(most_sums * threads * sizeof(double)) + Selection::shared_bytes() +
           shared_bytes_of(level_starts * sizeof(double));
}

/// Calls `body(i)` for every pixel, spread over the block.
template <class Body>
__device__ __forceinline__ void for_each_pixel(std::int64_t n, const Body& body) {
    for (std::int64_t i = threadIdx.x; i < n; i += threads) body(i);
}

/// rows.sums(s)[i + 1] = the sum of `values(i, ...)[s]` up to pixel i, in the order that
/// tile_pixels states. Barriers before and after.
template <int count, class Values>
__device__ void prefix_sums(const Scratch& rows, std::int64_t n, const Shared& shared,
                            const Values& values) {
    const int thread = static_cast<int>(threadIdx.x);
    double before = 0.0;  // of the sum that this thread chains
    if (thread < count) rows.sums(thread)[0] = 0.0;
    __syncthreads();
    for (std::int64_t start = 0; start < n; start += threads * tile_pixels) {
        const std::int64_t begin = start + thread * tile_pixels;
        const std::int64_t end = min(n, begin + tile_pixels);
        double total[count] = {};
        for (std::int64_t i = begin; i < end; ++i) {
            double value[count];
            values(i, value);
            BALMER_UNROLL
            for (int s = 0; s < count; ++s) {
                total[s] += value[s];
                rows.sums(s)[i + 1] = total[s];
            }
        }
        BALMER_UNROLL
        for (int s = 0; s < count; ++s) shared.totals[s * threads + thread] = total[s];
        __syncthreads();
        if (thread < count) {
            for (int tile = 0; tile < threads; ++tile) {
                const double own = shared.totals[thread * threads + tile];
                shared.totals[thread * threads + tile] = before;
                before = before + own;
            }
        }
        __syncthreads();
        for (std::int64_t i = begin; i < end; ++i) {
            BALMER_UNROLL
            for (int s = 0; s < count; ++s) {
                rows.sums(s)[i + 1] = shared.totals[s * threads + thread] + rows.sums(s)[i + 1];
            }
        }
        __syncthreads();
    }
}

/// The work of one block on one spectrum. Every step ends with a barrier.
struct Channels {
    DeviceRow row;
    std::int64_t n;
    Scratch rows;
    Shared shared;
    ShownChannels shown;
    double good = 0.0;  // pixels

    /// Reads the spectrum and clips its flux; false if it has no good pixel.
    __device__ bool gather() {
        int own = 0;
        for_each_pixel(n, [&](std::int64_t i) {
            const float weight = row.inverse_variance != nullptr ? row.inverse_variance[i] : 1.0F;
            const bool is_good =
                !row.is_masked(i) && is_finite(row.flux[i]) && weight > 0.0F && is_finite(weight);
            rows.flux()[i] = is_good ? row.flux[i] : 0.0;
            rows.weight()[i] = is_good ? weight : 0.0;
            rows.continuum()[i] = 0.0;
            own += is_good ? 1 : 0;
        });
        good = static_cast<double>(block_sum(own, shared.selection.scratch));
        const double limit = brightest * quantile<threads>(
                                             bright_quantile, n, shared.selection,
                                             [&](std::int64_t i) { return rows.weight()[i] > 0; },
                                             [&](std::int64_t i) { return fabs(rows.flux()[i]); });
        if (limit > 0) {
            for_each_pixel(n, [&](std::int64_t i) {
                const double flux = rows.flux()[i];
                rows.flux()[i] = flux < -limit ? -limit : flux > limit ? limit : flux;
            });
        }
        __syncthreads();
        return good > 0;
    }

    __device__ void limit_weights() {
        const double limit =
            largest_relative_weight * quantile<threads>(
                                          0.5, n, shared.selection,
                                          [&](std::int64_t i) { return rows.weight()[i] > 0; },
                                          [&](std::int64_t i) { return rows.weight()[i]; });
        for_each_pixel(n, [&](std::int64_t i) {
            if (rows.weight()[i] > limit) rows.weight()[i] = limit;
        });
        __syncthreads();
    }

    __device__ void estimate_weights() {
        prefix_sums<3>(rows, n, shared, [&](std::int64_t i, double(&value)[3]) {
            const bool is_pair = i > 0 && rows.weight()[i] > 0 && rows.weight()[i - 1] > 0;
            const double difference = is_pair ? rows.flux()[i] - rows.flux()[i - 1] : 0.0;
            value[0] = 0.5 * difference * difference;
            value[1] = is_pair ? 1.0 : 0.0;
            value[2] = fabs(rows.flux()[i]);
        });
        const double deviation = faintest_noise * rows.sums(2)[n] / good;
        const double least = deviation * deviation;
        for_each_pixel(n, [&](std::int64_t i) {
            if (rows.weight()[i] == 0) return;
            const Window window(i, continuum_reach, n);
            const double pairs = window.sum(rows.sums(1));
            const double scatter = pairs > 0 ? window.sum(rows.sums(0)) / pairs : 0.0;
            const double variance = least < scatter ? scatter : least;
            rows.weight()[i] = variance > 0 ? 1.0 / variance : 1.0;
        });
        __syncthreads();
    }

    __device__ void fit_continuum() {
        prefix_sums<5>(rows, n, shared, [&](std::int64_t i, double(&value)[5]) {
            const auto x = static_cast<double>(i);
            const double w = rows.fit_weight()[i];
            value[0] = w;
            value[1] = w * x;
            value[2] = w * x * x;
            value[3] = w * rows.flux()[i];
            value[4] = w * x * rows.flux()[i];
        });
        for_each_pixel(n, [&](std::int64_t i) {
            const Window window(i, continuum_reach, n);
            const LineSums line = {window.sum(rows.sums(0)), window.sum(rows.sums(1)),
                                   window.sum(rows.sums(2)), window.sum(rows.sums(3)),
                                   window.sum(rows.sums(4))};
            if (line.w > 0) rows.continuum()[i] = line_at(line, static_cast<double>(i));
        });
        __syncthreads();
    }

    __device__ void reject_outliers() {
        prefix_sums<2>(rows, n, shared, [&](std::int64_t i, double(&value)[2]) {
            const double residual = rows.flux()[i] - rows.continuum()[i];
            value[0] = rows.fit_weight()[i];
            value[1] = rows.fit_weight()[i] * residual * residual;
        });
        for_each_pixel(n, [&](std::int64_t i) {
            if (rows.weight()[i] == 0) return;
            const Window window(i, continuum_reach, n);
            const double residual = rows.flux()[i] - rows.continuum()[i];
            const double limit = rejection_limit * rejection_limit * window.sum(rows.sums(1));
            const bool is_outlier = residual * residual * window.sum(rows.sums(0)) > limit;
            rows.fit_weight()[i] = is_outlier ? 0.0 : rows.weight()[i];
        });
        __syncthreads();
    }

    __device__ Excess excess(std::int64_t i, std::int64_t reach) const {
        const Window window(i, reach, n);
        return excess_of(window.sum(rows.sums(0)), window.sum(rows.sums(1)));
    }

    __device__ void draw(PackedPixel* pixels) {
        prefix_sums<2>(rows, n, shared, [&](std::int64_t i, double(&value)[2]) {
            value[0] = rows.weight()[i];
            value[1] = rows.weight()[i] * (rows.flux()[i] - rows.continuum()[i]);
        });
        for_each_pixel(n, [&](std::int64_t i) {
            rows.fit_weight()[i] = shape_of(rows.continuum()[i], excess(i, smooth_reach));
        });
        __syncthreads();
        const double bright = quantile<threads>(
            bright_quantile, n, shared.selection,
            [&](std::int64_t i) { return rows.weight()[i] > 0; },
            [&](std::int64_t i) { return fabs(rows.fit_weight()[i]); });
        double typical_weight = 0.0;
        if (shown.has(SpectralChannel::inverse_variance)) {
            typical_weight = quantile<threads>(
                0.5, n, shared.selection, [&](std::int64_t i) { return rows.weight()[i] > 0; },
                [&](std::int64_t i) { return rows.weight()[i]; });
        }
        for_each_pixel(n, [&](std::int64_t i) {
            const bool is_drawn = rows.weight()[i] > 0 || is_bridged(i);
            pixels[i] = is_drawn ? pixel(i, bright, typical_weight) : 0;
        });
    }

    __device__ Excess excess_in(SpectralChannel channel, std::int64_t i) const {
        const double* weight = rows.weight();
        if (!(weight[i] > 0)) return {};
        if (channel == SpectralChannel::sharp_lines) return excess(i, sharp_reach);
        if (channel == SpectralChannel::broad_lines) return excess(i, smooth_reach);
        const bool has_slope = channel == SpectralChannel::derivative && i > 0 && i + 1 < n &&
                               weight[i - 1] > 0 && weight[i + 1] > 0;
        if (!has_slope) return {};
        return slope_of(rows.flux()[i + 1] - rows.flux()[i - 1], weight[i - 1], weight[i + 1]);
    }

    __device__ PackedPixel pixel(std::int64_t i, double bright, double typical_weight) const {
        const double* red = shared.levels;
        const double* line = shared.levels + level_starts / 2;
        const double weight = rows.weight()[i];
        const double continuum = rows.continuum()[i];
        const PixelNumbers numbers = {weight > 0 ? rows.flux()[i] : continuum,
                                      continuum,
                                      rows.fit_weight()[i],
                                      weight,
                                      bright,
                                      typical_weight};
        PackedPixel result = 0;
        BALMER_UNROLL
        for (int c = 0; c < 3; ++c) {
            const SpectralChannel channel = shown.channels[c];
            const Shown number = shown_in(channel, numbers, excess_in(channel, i));
            const double unit = number.is_line ? sqrt(number.unit) : number.unit;
            result |= level_of(number.is_line ? line : red, ratio(number.value, unit)) << (8 * c);
        }
        return result;
    }

    /// Whether a bad pixel lies in a hole to be bridged between good ones.
    __device__ bool is_bridged(std::int64_t i) const {
        std::int64_t below = i - 1;
        while (below >= 0 && i - below <= shown.longest_bridged_hole &&
               !(rows.weight()[below] > 0)) {
            --below;
        }
        if (below < 0 || !(rows.weight()[below] > 0)) return false;
        std::int64_t above = i + 1;
        while (above < n && above - below - 1 <= shown.longest_bridged_hole &&
               !(rows.weight()[above] > 0)) {
            ++above;
        }
        return above < n && rows.weight()[above] > 0 &&
               above - below - 1 <= shown.longest_bridged_hole;
    }
};

__global__ void __launch_bounds__(threads, 1)
    spectral_channels_kernel(DeviceBatch batch, std::int64_t count, double* scratch,
                             LevelTables tables, ShownChannels shown, PackedPixel* pixels) {
    SharedMemory memory;
    Shared shared{};
    shared.totals = memory.array<double>(most_sums * threads);
    shared.selection = Selection::in(memory);
    shared.levels = memory.array<double>(level_starts);
    for (int i = static_cast<int>(threadIdx.x); i < level_starts / 2; i += threads) {
        shared.levels[i] = tables.red.starts[i];
        shared.levels[level_starts / 2 + i] = tables.line.starts[i];
    }
    double* own = scratch + blockIdx.x * Scratch::rows * (batch.width + 1);
    for (std::int64_t index = blockIdx.x; index < count; index += gridDim.x) {
        __syncthreads();
        const DeviceRow row = batch.row(index);
        Channels channels{row, row.pixels, Scratch{own, batch.width + 1}, shared, shown};
        PackedPixel* target = pixels + index * batch.width;
        if (!channels.gather()) {
            for_each_pixel(row.pixels, [&](std::int64_t i) { target[i] = 0; });
            continue;
        }
        if (row.inverse_variance != nullptr) {
            channels.limit_weights();
        } else {
            channels.estimate_weights();
        }
        for_each_pixel(row.pixels, [&](std::int64_t i) {
            channels.rows.fit_weight()[i] = channels.rows.weight()[i];
        });
        for (int i = 0; i <= rejections; ++i) {
            if (i > 0) channels.reject_outliers();
            channels.fit_continuum();
        }
        channels.draw(target);
    }
}

}  // namespace

template <DeviceType device>
Buffer spectral_channels_device(const Context& context, const ImageRequest& request) {
    const DeviceBatch batch = device_batch(request);
    const std::int64_t count = request.batch.flux.shape[0];
    const std::int64_t multiprocessors = limits_of(context).multiprocessors;
    const std::int64_t blocks = std::min(count, multiprocessors);
    Buffer pixels(context, static_cast<std::size_t>(count * batch.width) * sizeof(PackedPixel));
    const Buffer scratch(
        context,
        static_cast<std::size_t>(blocks * Scratch::rows * (batch.width + 1)) * sizeof(double));
    launch("spectral_channels", context, spectral_channels_kernel,
           {{static_cast<unsigned>(blocks)}, threads, shared_bytes()}, batch, count,
           static_cast<double*>(scratch.data()), level_tables(), shown_channels(request.options),
           static_cast<PackedPixel*>(pixels.data()));
    return pixels;
}

template Buffer spectral_channels_device<this_device>(const Context&, const ImageRequest&);

}  // namespace balmer::render
