// The two-dimensional maps on the device, bit for bit as map2d_cpu.cpp: the same operations in f64,
// without contraction.
//
// A block draws one row of blocks of one image: n colours into shared memory, once for each value;
// they spread over a line of the image there, which goes to its block_size rows 16 bytes a thread.
// So the flux is read once, the image written once: 301 KB in bf16 at 224 x 224, by arithmetic
// 70 ns at 4.3 TB/s, and divisions in f64 stay at one a value, not one a pixel. map2d-norm finds
// the range of each spectrum in a launch before, a block a spectrum: 19 KB read, 16 bytes written.

#include "render/map2d/map2d_cuda.h"

#include "kernels/core/buffer.h"
#include "render/device_image.cuh"
#include "render/map2d/colour_map.h"
#include "render/map2d/map2d.h"
#include "render/spectral_channels/spectral_channels_cuda.h"

namespace balmer::render {
namespace {

constexpr int threads = 128;
constexpr PackedPixel white = 0xFFFFFF;
constexpr PackedPixel black = 0;

/// The values of the spectra, interpolated to `slots` of them where that is asked for.
struct Values {
    DeviceBatch batch;
    std::int64_t slots;  // 0: not interpolated

    struct Value {
        double flux;
        bool is_masked;
    };

    __device__ bool is_interpolated(std::int64_t pixels) const {
        return pixels > 0 && pixels < slots;
    }
    __device__ std::int64_t count(std::int64_t index) const {
        const std::int64_t pixels = batch.pixels(index);
        return is_interpolated(pixels) ? slots : pixels;
    }

    __device__ Value at(const DeviceRow& row, std::int64_t i) const {
        if (!is_interpolated(row.pixels)) {
            return {static_cast<double>(row.flux[i]), row.is_masked(i)};
        }
        if (row.pixels == 1) return {static_cast<double>(row.flux[0]), row.is_masked(0)};
        return interpolated(row, i);
    }

  private:
    /// As `interpolate` of map2d_cpu.cpp, the neighbours found by bisection.
    __device__ Value interpolated(const DeviceRow& row, std::int64_t i) const {
        const double* x = row.wavelength;
        const double first = x[0];
        const double last = x[row.pixels - 1];
        const double step = (last - first) / static_cast<double>(slots - 1);
        const double at = i == slots - 1 ? last : static_cast<double>(i) * step + first;
        std::int64_t upper = 1;
        std::int64_t end = row.pixels - 1;
        while (upper < end) {
            const std::int64_t middle = (upper + end) / 2;
            if (x[middle] < at) {
                upper = middle + 1;
            } else {
                end = middle;
            }
        }
        const std::int64_t lower = upper - 1;
        const double low = row.flux[lower];
        const double slope = (static_cast<double>(row.flux[upper]) - low) / (x[upper] - x[lower]);
        return {slope * (at - x[lower]) + low, row.is_masked(lower) || row.is_masked(upper)};
    }
};

/// matplotlib's index of a finite value: see colour_of in map2d_cpu.cpp.
constexpr int colour_index(double value, double vmin, double vmax) {
    const double scaled = (value - vmin) / (vmax - vmin) * 256.0;
    return scaled < 0 ? 0 : scaled >= 256 ? 255 : static_cast<int>(scaled);
}

/// What draw_blocks draws: the colours of one image's values.
struct ColourSource {
    Values values;
    std::int64_t capacity;
    double vmin;
    double vmax;
    PackedPixel background;
    PackedPixel colours[256];

    __device__ std::int64_t count(std::int64_t index) const { return values.count(index); }
    __device__ PackedPixel pixel(std::int64_t index, std::int64_t slot) const {
        const Values::Value value = values.at(values.batch.row(index), slot);
        if (value.is_masked) return background;
        if (!is_finite(value.flux)) return white;
        return colours[colour_index(value.flux, vmin, vmax)];
    }
};

struct Range {
    double low;
    double high;
};

struct NormSource {
    Values values;
    std::int64_t capacity;
    const Range* ranges;
    PackedPixel background = black;

    __device__ std::int64_t count(std::int64_t index) const { return values.count(index); }
    __device__ PackedPixel pixel(std::int64_t index, std::int64_t slot) const {
        const auto [low, high] = ranges[index];
        const Values::Value value = values.at(values.batch.row(index), slot);
        if (value.is_masked || !is_finite(value.flux) || !(low < high)) return black;
        return static_cast<PackedPixel>(255.0 * (value.flux - low) / (high - low));
    }
};

struct ChannelSource {
    DeviceBatch batch;
    std::int64_t capacity;
    const PackedPixel* pixels;
    PackedPixel background = black;

    __device__ std::int64_t count(std::int64_t index) const { return batch.pixels(index); }
    __device__ PackedPixel pixel(std::int64_t index, std::int64_t slot) const {
        return pixels[index * batch.width + slot];
    }
};

/// One value of the block, the same for every order of threads.
__device__ __forceinline__ double block_low(double own, double* scratch) {
    BALMER_UNROLL
    for (int distance = lanes_per_warp / 2; distance > 0; distance /= 2) {
        const double other = __shfl_xor_sync(full_warp, own, distance);
        own = other < own ? other : own;
    }
    const int thread = static_cast<int>(threadIdx.x);
    if (thread % lanes_per_warp == 0) scratch[thread / lanes_per_warp] = own;
    __syncthreads();
    for (int warp = 0; warp < threads / lanes_per_warp; ++warp) {
        own = scratch[warp] < own ? scratch[warp] : own;
    }
    __syncthreads();
    return own;
}

/// The range of each spectrum's values, over those neither masked nor infinite nor NaN.
__global__ void __launch_bounds__(threads) range_kernel(Values values, Range* ranges) {
    SharedMemory shared;
    double* scratch = shared.array<double>(threads / lanes_per_warp);
    const std::int64_t index = blockIdx.x;
    const DeviceRow row = values.batch.row(index);
    const std::int64_t count = values.count(index);
    const double infinity = INFINITY;
    double low = infinity;
    double high = -infinity;
    for (std::int64_t i = threadIdx.x; i < count; i += threads) {
        const Values::Value value = values.at(row, i);
        if (value.is_masked || !is_finite(value.flux)) continue;
        low = value.flux < low ? value.flux : low;
        high = value.flux > high ? value.flux : high;
    }
    low = block_low(low, scratch);
    high = -block_low(-high, scratch);
    if (threadIdx.x == 0) ranges[index] = {low, high};
}

/// How the blocks of an image lie.
struct BlockGrid {
    int block_size;
    int columns;
    int rows;  // a last one may be cut by the lower edge
    bool is_boustrophedon;
};

template <class T, class Source>
__global__ void __launch_bounds__(threads)
    draw_blocks(DeviceImage<T> image, BlockGrid grid, Source source) {
    SharedMemory shared;
    auto* colours = shared.array<PackedPixel>(grid.columns);
    T* line = shared.array<T>(3 * image.side);
    const int thread = static_cast<int>(threadIdx.x);
    const std::int64_t index = blockIdx.x / grid.rows;
    const int row = static_cast<int>(blockIdx.x % grid.rows);
    const std::int64_t count = min(source.count(index), source.capacity);
    const bool is_reversed = grid.is_boustrophedon && row % 2 == 1;
    for (int i = thread; i < grid.columns; i += threads) {
        const std::int64_t slot = std::int64_t{row} * grid.columns + i;
        colours[is_reversed ? grid.columns - 1 - i : i] =
            slot < count ? source.pixel(index, slot) : source.background;
    }
    __syncthreads();
    for (int x = thread; x < image.side; x += threads) {
        const int column = x / grid.block_size;
        image.put(line, x, column < grid.columns ? colours[column] : source.background);
    }
    __syncthreads();
    const int top = row * grid.block_size;
    image.write(index, top, min(grid.block_size, image.side - top), line);
}

template <class Source>
void draw(const char* name, const Context& context, const ImageRequest& request,
          const Source& source) {
    const ImageOptions& options = request.options;
    const BlockGrid grid{options.block_size, options.image_size / options.block_size,
                         (options.image_size + options.block_size - 1) / options.block_size,
                         options.fill_order == FillOrder::boustrophedon};
    const auto blocks = static_cast<unsigned>(request.batch.flux.shape[0] * grid.rows);
    const std::size_t colour_bytes = shared_bytes_of(grid.columns * sizeof(PackedPixel));
    dispatch_output(request, [&](auto tag) {
        using T = typename decltype(tag)::type;
        launch(name, context, draw_blocks<T, Source>,
               {{blocks}, threads, colour_bytes + line_bytes<T>(request)}, device_image<T>(request),
               grid, source);
    });
}

Values values_of(const ImageRequest& request) {
    const bool is_interpolated = request.options.interpolate;
    return {device_batch(request), is_interpolated ? map2d_norm_capacity(request.options) : 0};
}

}  // namespace

template <DeviceType device>
std::string accepts_map2d_device(const Context& context, const ImageRequest&) {
    return accepts_on(device, context, DType::f32);
}

template <DeviceType device>
void map2d_device(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const ColourTable& table = find_colour_map(options.colour_map);
    ColourSource source{
        values_of(request), map2d_capacity(options), options.vmin, options.vmax, black, {}};
    for (std::size_t i = 0; i < table.size(); ++i) source.colours[i] = packed(table[i]);
    source.background = source.colours[colour_index(0.0, options.vmin, options.vmax)];
    draw("map2d", context, request, source);
}

template <DeviceType device>
void map2d_norm_device(const Context& context, const ImageRequest& request) {
    const std::int64_t count = request.batch.flux.shape[0];
    const Buffer ranges(context, static_cast<std::size_t>(count) * sizeof(Range));
    const Values values = values_of(request);
    auto* range = static_cast<Range*>(ranges.data());
    launch("map2d_norm range", context, range_kernel,
           {{static_cast<unsigned>(count)},
            threads,
            shared_bytes_of(threads / lanes_per_warp * sizeof(double))},
           values, range);
    draw("map2d_norm", context, request,
         NormSource{values, map2d_norm_capacity(request.options), range});
}

template <DeviceType device>
void map2d_robust_device(const Context& context, const ImageRequest& request) {
    const Buffer pixels = spectral_channels_device<device>(context, request);
    draw("map2d_robust", context, request,
         ChannelSource{device_batch(request), map2d_norm_capacity(request.options),
                       static_cast<const PackedPixel*>(pixels.data())});
}

template std::string accepts_map2d_device<this_device>(const Context&, const ImageRequest&);
template void map2d_device<this_device>(const Context&, const ImageRequest&);
template void map2d_norm_device<this_device>(const Context&, const ImageRequest&);
template void map2d_robust_device<this_device>(const Context&, const ImageRequest&);

}  // namespace balmer::render
