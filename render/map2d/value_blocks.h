#pragma once
// What the plain versions of the maps share: the values of one spectrum, the channel that shows
// them from minimum to maximum, and the blocks of the image that they fill.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/parallel.h"
#include "render/host_rows.h"

namespace balmer::render {

/// `is_masked` marks the values that are left out.
struct MaskedValues {
    std::vector<double> value;
    std::vector<std::uint8_t> is_masked;

    std::int64_t size() const { return static_cast<std::int64_t>(value.size()); }
    void resize(std::int64_t size) {
        value.resize(size);
        is_masked.resize(size);
    }
};

/// The flux of a spectrum. With `interpolate`, spectra of fewer pixels than the image has blocks
/// get a value for each: scipy's interp1d(kind="linear", fill_value="extrapolate") at EvenSpacing;
/// a value is masked where one of the two pixels it lies between is.
void gather(const ImageOptions& options, const SpectrumRow& row, MaskedValues& values);

/// Values that are NaN or infinite become masked.
void mask_not_finite(MaskedValues& values);

/// One pixel for each value that fits into n x n blocks, black.
void clear_pixels(const ImageOptions& options, const MaskedValues& values,
                  std::vector<Pixel>& pixels);

/// trunc(255 (value - minimum) / (maximum - minimum)) into one channel of `pixels`, minimum and
/// maximum over all values not masked; masked ones and those of a constant spectrum stay.
void draw_from_minimum_to_maximum(const MaskedValues& values, int channel, std::span<Pixel> pixels);

/// Draws `pixels` into the blocks of image `index`.
void draw_blocks(const ImageOptions& options, std::span<const Pixel> pixels, Pixel background,
                 std::int64_t index, PixelRows& output);

/// What fills the blocks of one image, and the colour of all that is left.
struct Drawing {
    std::span<const Pixel> pixels;
    Pixel background = {};
};

/// Draws the Drawing that `body(row, scratch)` returns for every spectrum of the batch; each thread
/// has its own scratch.
template <class Scratch, class Body>
void draw_each(const Context& context, const ImageRequest& request, const Body& body) {
    const ImageOptions& options = request.options;
    const std::int64_t batch = request.batch.flux.shape[0];
    parallel_turns(context, batch, [&](const auto& next) {
        PixelRows output(options, request.output);
        Scratch scratch;
        for (std::int64_t index = next(); index < batch; index = next()) {
            const auto row = spectrum_row(request.batch, index, options.use_mask);
            const Drawing drawing = body(row, scratch);
            draw_blocks(options, drawing.pixels, drawing.background, index, output);
        }
    });
}

}  // namespace balmer::render
