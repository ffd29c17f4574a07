#include "render/map2d/map2d_cpu.h"

#include <algorithm>
#include <vector>

#include "render/map2d/colour_map.h"
#include "render/map2d/map2d.h"
#include "render/map2d/value_blocks.h"
#include "render/spectral_channels/spectral_channels.h"

namespace balmer::render {
namespace {

constexpr Pixel white = {255, 255, 255};
constexpr Pixel black = {0, 0, 0};

/// Values of one spectrum, what is derived from them, and the pixels made of them.
struct Slots {
    MaskedValues flux;
    MaskedValues first;
    MaskedValues second;
    std::vector<Pixel> pixels;
};

/// numpy.gradient of values that lie one apart. Masked where its own value or one that it is made
/// of is, and where there is only one value.
void gradient(const MaskedValues& values, MaskedValues& result) {
    const std::int64_t count = values.size();
    result.value.assign(count, 0.0);
    result.is_masked.assign(count, 1);
    for (std::int64_t i = 0; i < count && count > 1; ++i) {
        const std::int64_t lower = i > 0 ? i - 1 : 0;
        const std::int64_t upper = i + 1 < count ? i + 1 : i;
        const double difference = values.value[upper] - values.value[lower];
        result.value[i] = upper - lower == 2 ? difference / 2.0 : difference;
        const int masks = values.is_masked[lower] + values.is_masked[i] + values.is_masked[upper];
        result.is_masked[i] = masks != 0 ? 1 : 0;
    }
}

/// matplotlib 3.9: Normalize(vmin, vmax) and Colormap.__call__ on f64, finite values.
Pixel colour_of(double value, const ImageOptions& options, const ColourTable& colours) {
    const double scaled = (value - options.vmin) / (options.vmax - options.vmin) * 256.0;
    if (scaled < 0) return colours[0];
    if (scaled >= 256) return colours[255];
    return colours[static_cast<int>(scaled)];
}

}  // namespace

void map2d_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const ColourTable& colours = find_colour_map(options.colour_map);
    const Pixel background = colour_of(0.0, options, colours);
    const auto capacity = static_cast<std::size_t>(map2d_capacity(options));
    const auto colour_slots = [&](const SpectrumRow& row, Slots& slots) -> std::span<const Pixel> {
        gather(options, row, slots.flux);
        slots.pixels.resize(std::min(slots.flux.value.size(), capacity));
        for (std::size_t i = 0; i < slots.pixels.size(); ++i) {
            const double value = slots.flux.value[i];
            if (slots.flux.is_masked[i] != 0) {
                slots.pixels[i] = background;
            } else {
                slots.pixels[i] = std::isfinite(value) ? colour_of(value, options, colours) : white;
            }
        }
        return slots.pixels;
    };
    draw_each<Slots>(context, request, background, colour_slots);
}

void map2d_norm_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const auto scale_slots = [&](const SpectrumRow& row, Slots& slots) -> std::span<const Pixel> {
        gather(options, row, slots.flux);
        mask_not_finite(slots.flux);
        clear_pixels(options, slots.flux, slots.pixels);
        draw_from_minimum_to_maximum(slots.flux, 0, slots.pixels);
        return slots.pixels;
    };
    draw_each<Slots>(context, request, black, scale_slots);
}

void map2d_deriv_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const auto scale_slots = [&](const SpectrumRow& row, Slots& slots) -> std::span<const Pixel> {
        gather(options, row, slots.flux);
        mask_not_finite(slots.flux);
        gradient(slots.flux, slots.first);
        gradient(slots.first, slots.second);
        clear_pixels(options, slots.flux, slots.pixels);
        draw_from_minimum_to_maximum(slots.flux, 0, slots.pixels);
        draw_from_minimum_to_maximum(slots.first, 1, slots.pixels);
        draw_from_minimum_to_maximum(slots.second, 2, slots.pixels);
        return slots.pixels;
    };
    draw_each<Slots>(context, request, black, scale_slots);
}

void map2d_robust_plain(const Context& context, const ImageRequest& request) {
    const auto capacity = static_cast<std::size_t>(map2d_norm_capacity(request.options));
    const auto draw_channels = [&](const SpectrumRow& row, SpectralChannels& channels) {
        const auto pixels = channels.pixels(row);
        return pixels.first(std::min(pixels.size(), capacity));
    };
    draw_each<SpectralChannels>(context, request, black, draw_channels);
}

}  // namespace balmer::render
