#pragma once
// Small helpers of the renderer's tests: batches of spectra and their images.

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/core/random.h"
#include "render/image.h"

namespace balmer::render {

/// Spectra of one length that own their memory. Empty arrays are absent from the batch.
struct TestSpectra {
    std::vector<float> flux;
    std::vector<std::uint8_t> mask;
    std::vector<float> inverse_variance;
    std::vector<double> wavelength;
    std::vector<std::int64_t> lengths;
    std::int64_t count = 1;

    std::int64_t pixels() const { return static_cast<std::int64_t>(flux.size()) / count; }
    SpectrumBatch batch() {
        const Shape shape = {count, pixels()};
        SpectrumBatch batch;
        batch.flux = View(flux.data(), DType::f32, shape);
        if (!mask.empty()) batch.mask = View(mask.data(), DType::u8, shape);
        if (!inverse_variance.empty()) {
            batch.inverse_variance = View(inverse_variance.data(), DType::f32, shape);
        }
        if (!wavelength.empty()) batch.wavelength = View(wavelength.data(), DType::f64, shape);
        if (!lengths.empty()) batch.lengths = View(lengths.data(), DType::i64, {count});
        return batch;
    }
};

/// The u8 images [B, S, S, 3] of the spectra.
inline std::vector<std::uint8_t> images_of(TestSpectra& spectra, const ImageOptions& options,
                                           const Context& context = {}) {
    const std::int64_t side = options.image_size;
    std::vector<std::uint8_t> pixels(spectra.count * side * side * 3, 0xAB);
    render(context, options, spectra.batch(),
           View(pixels.data(), DType::u8, {spectra.count, side, side, 3}));
    return pixels;
}

/// Channel `c` of pixel (x, y) of the first image.
inline int at(const std::vector<std::uint8_t>& image, const ImageOptions& options, int x, int y,
              int c) {
    return image[(static_cast<std::size_t>(y) * options.image_size + x) * 3 + c];
}

/// A sloped continuum of about `level` with an emission line of the given height (in units of the
/// continuum) and width (pixels) at `centre`, and Gaussian noise of standard deviation `noise`.
inline TestSpectra line_spectrum(std::int64_t pixels, double level, double height, double centre,
                                 double width, double noise, std::uint64_t seed = 1) {
    Random random(seed);
    TestSpectra spectra;
    for (std::int64_t i = 0; i < pixels; ++i) {
        const double continuum =
            level * (1.0 + 0.3 * static_cast<double>(i) / static_cast<double>(pixels));
        const double offset = (static_cast<double>(i) - centre) / width;
        const double flux = continuum * (1.0 + height * std::exp(-0.5 * offset * offset));
        spectra.flux.push_back(static_cast<float>(flux + noise * random.normal()));
        spectra.inverse_variance.push_back(noise > 0 ? static_cast<float>(1.0 / (noise * noise))
                                                     : 1e6F);
    }
    return spectra;
}

}  // namespace balmer::render
