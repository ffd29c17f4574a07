#include "render/map2d/map2d_cpu.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/core/parallel.h"
#include "render/host_rows.h"
#include "render/map2d/colour_map.h"
#include "render/map2d/map2d.h"
#include "render/spectral_channels/spectral_channels.h"

namespace balmer::render {
namespace {

constexpr Pixel white = {255, 255, 255};
constexpr Pixel black = {0, 0, 0};

/// Values of one spectrum and the pixels made of them; `is_masked` marks those left out.
struct Slots {
    std::vector<double> value;
    std::vector<std::uint8_t> is_masked;
    std::vector<Pixel> pixels;
};

/// scipy's interp1d(kind="linear", fill_value="extrapolate") at numpy's linspace(first, last,
/// count): the same operations in the same order. A slot is masked where one of the two pixels it
/// lies between is.
void interpolate(const SpectrumRow& row, std::int64_t count, Slots& slots) {
    slots.value.assign(count, row.flux[0]);
    slots.is_masked.assign(count, row.mask != nullptr && row.mask[0] != 0 ? 1 : 0);
    if (row.pixels == 1) return;
    const double* x = row.wavelength;
    const double first = x[0];
    const double last = x[row.pixels - 1];
    const double step = (last - first) / static_cast<double>(count - 1);
    std::int64_t upper = 1;
    for (std::int64_t i = 0; i < count; ++i) {
        const double at = i == count - 1 ? last : static_cast<double>(i) * step + first;
        while (upper < row.pixels - 1 && x[upper] < at) ++upper;
        const std::int64_t lower = upper - 1;
        const double slope =
            (static_cast<double>(row.flux[upper]) - row.flux[lower]) / (x[upper] - x[lower]);
        slots.value[i] = slope * (at - x[lower]) + row.flux[lower];
        slots.is_masked[i] =
            row.mask != nullptr && (row.mask[lower] != 0 || row.mask[upper] != 0) ? 1 : 0;
    }
}

/// The values of a spectrum, interpolated to all n x n slots where that is asked for.
void gather(const ImageOptions& options, const SpectrumRow& row, Slots& slots) {
    const auto slot_count = map2d_norm_capacity(options);
    if (options.interpolate && row.pixels > 0 && row.pixels < slot_count) {
        return interpolate(row, slot_count, slots);
    }
    slots.value.assign(row.flux, row.flux + row.pixels);
    slots.is_masked.assign(row.pixels, 0);
    if (row.mask == nullptr) return;
    for (std::int64_t i = 0; i < row.pixels; ++i) slots.is_masked[i] = row.mask[i] != 0 ? 1 : 0;
}

/// Draws `pixels` into the blocks of image `index`.
void draw_blocks(const ImageOptions& options, std::span<const Pixel> pixels, Pixel background,
                 std::int64_t index, const PixelRows& output) {
    const std::int64_t side = options.image_size;
    const std::int64_t block = options.block_size;
    const std::int64_t blocks = side / block;
    const auto count = static_cast<std::int64_t>(pixels.size());
    std::vector<Pixel> line(side);
    for (std::int64_t row = 0; row * block < side; ++row) {
        std::fill(line.begin(), line.end(), background);
        const bool is_reversed = options.fill_order == FillOrder::boustrophedon && row % 2 == 1;
        for (std::int64_t i = 0; i < blocks && row * blocks + i < count; ++i) {
            const std::int64_t column = is_reversed ? blocks - 1 - i : i;
            std::fill_n(line.begin() + column * block, block, pixels[row * blocks + i]);
        }
        output.write(index, row * block, std::min(block, side - row * block), line);
    }
}

/// matplotlib 3.9: Normalize(vmin, vmax) and Colormap.__call__ on f64, finite values.
Pixel colour_of(double value, const ImageOptions& options, const ColourTable& colours) {
    const double scaled = (value - options.vmin) / (options.vmax - options.vmin) * 256.0;
    if (scaled < 0) return colours[0];
    if (scaled >= 256) return colours[255];
    return colours[static_cast<int>(scaled)];
}

/// Draws what `body(row, scratch)` returns for every spectrum of the batch; each thread has its own
/// scratch.
template <class Scratch, class Body>
void draw_each(const Context& context, const ImageRequest& request, Pixel background,
               const Body& body) {
    const ImageOptions& options = request.options;
    const std::int64_t batch = request.batch.flux.shape[0];
    parallel_ranges(context, batch, 1, [&](std::int64_t begin, std::int64_t end) {
        const PixelRows output(options, request.output);
        Scratch scratch;
        for (std::int64_t index = begin; index < end; ++index) {
            const auto row = spectrum_row(request.batch, index, options.use_mask);
            const std::span<const Pixel> pixels = body(row, scratch);
            draw_blocks(options, pixels, background, index, output);
        }
    });
}

}  // namespace

void map2d_plain(const Context& context, const ImageRequest& request) {
    const ImageOptions& options = request.options;
    const ColourTable& colours = find_colour_map(options.colour_map);
    const Pixel background = colour_of(0.0, options, colours);
    const auto capacity = static_cast<std::size_t>(map2d_capacity(options));
    const auto colour_slots = [&](const SpectrumRow& row, Slots& slots) -> std::span<const Pixel> {
        gather(options, row, slots);
        slots.pixels.resize(std::min(slots.value.size(), capacity));
        for (std::size_t i = 0; i < slots.pixels.size(); ++i) {
            const double value = slots.value[i];
            if (slots.is_masked[i] != 0) {
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
    const auto capacity = static_cast<std::size_t>(map2d_norm_capacity(options));
    const auto scale_slots = [&](const SpectrumRow& row, Slots& slots) -> std::span<const Pixel> {
        gather(options, row, slots);
        double low = std::numeric_limits<double>::infinity();
        double high = -low;
        for (std::size_t i = 0; i < slots.value.size(); ++i) {
            const double value = slots.value[i];
            if (!std::isfinite(value)) slots.is_masked[i] = 1;
            if (slots.is_masked[i] != 0) continue;
            low = std::min(low, value);
            high = std::max(high, value);
        }
        slots.pixels.assign(std::min(slots.value.size(), capacity), black);
        for (std::size_t i = 0; i < slots.pixels.size() && low < high; ++i) {
            if (slots.is_masked[i] != 0) continue;
            const double scaled = 255.0 * (slots.value[i] - low) / (high - low);
            slots.pixels[i][0] = static_cast<std::uint8_t>(scaled);
        }
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
