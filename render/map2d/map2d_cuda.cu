// The two-dimensional maps on the device, bit for bit as map2d_cpu.cpp: the same operations in f64,
// without contraction. How they are drawn, and at what cost, stands in value_blocks.cuh.
//
// map2d-deriv reads up to five values for a pixel of its second gradient, from the L1 cache;
// interpolated ones by a bisection each.

#include "render/map2d/map2d_cuda.h"

#include "render/device_quantile.cuh"
#include "render/map2d/colour_map.h"
#include "render/map2d/colour_scale.h"
#include "render/map2d/value_blocks.cuh"
#include "render/spectral_channels/spectral_channels_cuda.h"

namespace balmer::render {
namespace {

constexpr PackedPixel white = 0xFFFFFF;

/// spans: [B], the colours of every spectrum, as `span_of` of map2d_cpu.cpp.
__global__ void __launch_bounds__(map_threads)
    span_kernel(DeviceBatch batch, ColourRange range, ColourSpan* spans) {
    SharedMemory memory;
    const Selection selection = Selection::in(memory);
    const std::int64_t index = blockIdx.x;
    const DeviceRow row = batch.row(index);
    const auto is_good = [&](std::int64_t i) {
        return !row.is_masked(i) && is_finite(row.flux[i]);
    };
    const auto flux_quantile = [&](double q) {
        return quantile<map_threads>(q, row.pixels, selection, is_good,
                                     [&](std::int64_t i) { return row.flux[i]; });
    };
    ColourSpan span{};
    if (range == ColourRange::asinh) {
        const double median = flux_quantile(0.5);
        const auto deviation = [&](std::int64_t i) {
            return fabsf(row.flux[i] - static_cast<float>(median));
        };
        span = {median, deviation_per_mad *
                            quantile<map_threads>(0.5, row.pixels, selection, is_good, deviation)};
    } else {
        const bool is_whole = range == ColourRange::minmax;
        const double low = flux_quantile(is_whole ? 0.0 : low_quantile);
        span = {low, flux_quantile(is_whole ? 1.0 : high_quantile) - low};
    }
    if (threadIdx.x == 0) spans[index] = span;
}

/// What draw_blocks draws: the colours of one image's values.
struct ColourSource {
    Values values;
    std::int64_t capacity;
    const ColourSpan* spans;  // null: all have `span`
    ColourSpan span;
    ColourScale scale;
    PackedPixel colours[256];

    __device__ std::int64_t count(std::int64_t index) const { return values.count(index); }
    __device__ PackedPixel background(std::int64_t index) const { return colour(index, 0.0); }
    __device__ PackedPixel pixel(std::int64_t index, std::int64_t slot) const {
        const Values::Value value = values.at(values.batch.row(index), slot);
        if (value.is_masked) return background(index);
        if (!is_finite(value.flux)) return white;
        return colour(index, value.flux);
    }

  private:
    __device__ PackedPixel colour(std::int64_t index, double value) const {
        return colours[scale.index(value, spans != nullptr ? spans[index] : span)];
    }
};

struct ChannelSource {
    DeviceBatch batch;
    std::int64_t capacity;
    const PackedPixel* pixels;

    __device__ PackedPixel background(std::int64_t) const { return 0; }
    __device__ std::int64_t count(std::int64_t index) const { return batch.pixels(index); }
    __device__ PackedPixel pixel(std::int64_t index, std::int64_t slot) const {
        return pixels[index * batch.width + slot];
    }
};

}  // namespace

template <DeviceType device>
std::string accepts_map2d_device(const Context& context, const ImageRequest&) {
    return accepts_on(device, context, DType::f32);
}

template <DeviceType device>
void map2d_device(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const ColourTable& table = find_colour_map(options.colour_map);
    ColourSource source{};
    source.values = values_of(request);
    source.capacity = map2d_capacity(options);
    source.span = {options.vmin, options.vmax - options.vmin};
    source.scale = colour_scale(options);
    for (std::size_t i = 0; i < table.size(); ++i) source.colours[i] = packed(table[i]);
    if (options.range == ColourRange::fixed) {
        return draw_map("map2d", context, request, source);
    }
    const std::int64_t count = request.batch.flux.shape[0];
    const Buffer spans(context, static_cast<std::size_t>(count) * sizeof(ColourSpan));
    source.spans = static_cast<const ColourSpan*>(spans.data());
    launch("map2d colour range", context, span_kernel,
           {{static_cast<unsigned>(count)}, map_threads, Selection::shared_bytes()},
           device_batch(request), options.range, static_cast<ColourSpan*>(spans.data()));
    draw_map("map2d", context, request, source);
}

template <DeviceType device>
void map2d_norm_device(const Context& context, const ImageRequest& request) {
    const Buffer ranges = ranges_of<1>(context, request);
    draw_map("map2d_norm", context, request, range_source<1>(request, ranges));
}

template <DeviceType device>
void map2d_deriv_device(const Context& context, const ImageRequest& request) {
    const Buffer ranges = ranges_of<3>(context, request);
    draw_map("map2d_deriv", context, request, range_source<3>(request, ranges));
}

template <DeviceType device>
void map2d_robust_device(const Context& context, const ImageRequest& request) {
    const Buffer pixels = spectral_channels_device<device>(context, request);
    draw_map("map2d_robust", context, request,
             ChannelSource{device_batch(request), map2d_norm_capacity(request.options),
                           static_cast<const PackedPixel*>(pixels.data())});
}

template std::string accepts_map2d_device<this_device>(const Context&, const ImageRequest&);
template void map2d_device<this_device>(const Context&, const ImageRequest&);
template void map2d_norm_device<this_device>(const Context&, const ImageRequest&);
template void map2d_deriv_device<this_device>(const Context&, const ImageRequest&);
template void map2d_robust_device<this_device>(const Context&, const ImageRequest&);

}  // namespace balmer::render
