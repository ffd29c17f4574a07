// The two-dimensional maps on the device, bit for bit as map2d_cpu.cpp: the same operations in f64,
// without contraction. How they are drawn, and at what cost, stands in value_blocks.cuh.
//
// map2d-deriv reads up to five values for a pixel of its second gradient, from the L1 cache;
// interpolated ones by a bisection each.

#include "render/map2d/map2d_cuda.h"

#include "render/map2d/colour_map.h"
#include "render/map2d/value_blocks.cuh"
#include "render/spectral_channels/spectral_channels_cuda.h"

namespace balmer::render {
namespace {

constexpr PackedPixel white = 0xFFFFFF;
constexpr PackedPixel black = 0;

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
