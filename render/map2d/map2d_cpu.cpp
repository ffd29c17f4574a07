#include "render/map2d/map2d_cpu.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "render/map2d/colour_map.h"
#include "render/map2d/colour_scale.h"
#include "render/map2d/map2d.h"
#include "render/map2d/value_blocks.h"
#include "render/quantile.h"
#include "render/spectral_channels/spectral_channels.h"

namespace balmer::render {
namespace {

constexpr Pixel white = {255, 255, 255};

/// Values of one spectrum, what is derived from them, and the pixels made of them.
struct Slots {
    MaskedValues flux;
    MaskedValues first;
    MaskedValues second;
    std::vector<float> numbers;
    std::vector<Pixel> pixels;
};

/// numpy.gradient of values that lie one apart. Masked where its own value or one that it is made
/// of is, and where there is only one value.
void gradient(const MaskedValues& values, MaskedValues& result) {
    const std::int64_t count = values.size();
    result.resize(count);
    if (count < 2) {
        std::fill(result.value.begin(), result.value.end(), 0.0);
        std::fill(result.is_masked.begin(), result.is_masked.end(), 1);
        return;
    }
    const std::int64_t last = count - 1;
    const double* const value = values.value.data();
    double* const slope = result.value.data();
    slope[0] = value[1] - value[0];
    for (std::int64_t i = 1; i < last; ++i) slope[i] = (value[i + 1] - value[i - 1]) / 2.0;
    slope[last] = value[last] - value[last - 1];
    const std::uint8_t* const is_masked = values.is_masked.data();
    std::uint8_t* const is_result_masked = result.is_masked.data();
    is_result_masked[0] = is_masked[0] | is_masked[1];
    for (std::int64_t i = 1; i < last; ++i) {
        is_result_masked[i] = is_masked[i - 1] | is_masked[i] | is_masked[i + 1];
    }
    is_result_masked[last] = is_masked[last - 1] | is_masked[last];
}

/// The colours of a spectrum, over its good pixels where the range is its own.
ColourSpan span_of(const ImageOptions& options, const SpectrumRow& row,
                   std::vector<float>& numbers) {
    if (options.range == ColourRange::fixed) return {options.vmin, options.vmax - options.vmin};
    numbers.clear();
    for (std::int64_t i = 0; i < row.pixels; ++i) {
        if (row.is_good(i)) numbers.push_back(row.flux[i]);
    }
    if (options.range == ColourRange::asinh) {
        const double median = quantile(numbers, 0.5);
        for (float& number : numbers) number = std::abs(number - static_cast<float>(median));
        return {median, deviation_per_mad * quantile(numbers, 0.5)};
    }
    const bool is_whole = options.range == ColourRange::minmax;
    const double low = quantile(numbers, is_whole ? 0.0 : low_quantile);
    return {low, quantile(numbers, is_whole ? 1.0 : high_quantile) - low};
}

}  // namespace

ColourScale colour_scale(const ImageOptions& options) {
    ColourScale scale;
    scale.is_asinh = options.range == ColourRange::asinh;
    const double end = std::asinh(asinh_reach);
    for (int k = 1; k < 256; ++k) scale.starts.starts[k - 1] = std::sinh(end * (k - 128) / 128.0);
    return scale;
}

void map2d_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const ColourTable& colours = find_colour_map(options.colour_map);
    const ColourScale scale = colour_scale(options);
    const auto capacity = static_cast<std::size_t>(map2d_capacity(options));
    const auto colour_slots = [&](const SpectrumRow& row, Slots& slots) -> Drawing {
        const ColourSpan span = span_of(options, row, slots.numbers);
        const Pixel background = colours[scale.index(0.0, span)];
        gather(options, row, slots.flux);
        slots.pixels.resize(std::min(slots.flux.value.size(), capacity));
        for (std::size_t i = 0; i < slots.pixels.size(); ++i) {
            const double value = slots.flux.value[i];
            if (slots.flux.is_masked[i] != 0) {
                slots.pixels[i] = background;
            } else {
                slots.pixels[i] = std::isfinite(value) ? colours[scale.index(value, span)] : white;
            }
        }
        return {slots.pixels, background};
    };
    draw_each<Slots>(context, request, colour_slots);
}

void map2d_norm_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const auto scale_slots = [&](const SpectrumRow& row, Slots& slots) -> Drawing {
        gather(options, row, slots.flux);
        mask_not_finite(slots.flux);
        clear_pixels(options, slots.flux, slots.pixels);
        draw_from_minimum_to_maximum(slots.flux, 0, slots.pixels);
        return {slots.pixels};
    };
    draw_each<Slots>(context, request, scale_slots);
}

void map2d_deriv_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const auto scale_slots = [&](const SpectrumRow& row, Slots& slots) -> Drawing {
        gather(options, row, slots.flux);
        mask_not_finite(slots.flux);
        gradient(slots.flux, slots.first);
        gradient(slots.first, slots.second);
        clear_pixels(options, slots.flux, slots.pixels);
        draw_from_minimum_to_maximum(slots.flux, 0, slots.pixels);
        draw_from_minimum_to_maximum(slots.first, 1, slots.pixels);
        draw_from_minimum_to_maximum(slots.second, 2, slots.pixels);
        return {slots.pixels};
    };
    draw_each<Slots>(context, request, scale_slots);
}

void map2d_robust_plain(const Context& context, const ImageRequest& request) {
    const auto capacity = static_cast<std::size_t>(map2d_norm_capacity(request.options));
    const auto draw_channels = [&](const SpectrumRow& row, SpectralChannels& channels) -> Drawing {
        const auto pixels = channels.pixels(row, request.options);
        return {pixels.first(std::min(pixels.size(), capacity))};
    };
    draw_each<SpectralChannels>(context, request, draw_channels);
}

}  // namespace balmer::render
