#pragma once
// Small helpers of the renderer's tests: batches of spectra and their images on every device.

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/core/buffer.h"
#include "kernels/core/random.h"
#include "kernels/core/transfer.h"
#include "render/image.h"
#include "tests/kernels/kernel_testing.h"

namespace balmer::render {

/// Spectra of one length that own their memory. Empty arrays are absent from the batch, but for the
/// wavelengths: an Angstrom a pixel.
struct TestSpectra {
    std::vector<float> flux;
    std::vector<std::uint8_t> mask;
    std::vector<float> inverse_variance;
    std::vector<double> wavelength;
    std::vector<std::int64_t> lengths;
    std::int64_t count = 1;
    bool has_wavelength = true;

    std::int64_t pixels() const { return static_cast<std::int64_t>(flux.size()) / count; }
    SpectrumBatch batch() {
        const Shape shape = {count, pixels()};
        SpectrumBatch batch;
        batch.flux = View(flux.data(), DType::f32, shape);
        if (!mask.empty()) batch.mask = View(mask.data(), DType::u8, shape);
        if (!inverse_variance.empty()) {
            batch.inverse_variance = View(inverse_variance.data(), DType::f32, shape);
        }
        while (has_wavelength && wavelength.size() < flux.size()) {
            wavelength.push_back(3600.0 + static_cast<double>(wavelength.size()));
        }
        if (has_wavelength) batch.wavelength = View(wavelength.data(), DType::f64, shape);
        if (!lengths.empty()) batch.lengths = View(lengths.data(), DType::i64, {count});
        return batch;
    }
};

/// A batch copied to a device.
class UploadedSpectra {
  public:
    UploadedSpectra(const Context& context, const SpectrumBatch& batch) {
        this->batch.flux = upload(context, batch.flux);
        this->batch.mask = upload(context, batch.mask);
        this->batch.inverse_variance = upload(context, batch.inverse_variance);
        this->batch.inverse_variance_known = upload(context, batch.inverse_variance_known);
        this->batch.wavelength = upload(context, batch.wavelength);
        this->batch.lengths = upload(context, batch.lengths);
    }

    SpectrumBatch batch;

  private:
    View upload(const Context& context, const View& host) {
        if (!host) return {};
        const auto bytes = static_cast<std::size_t>(host.numel()) * size_of(host.dtype);
        buffers_.emplace_back(context, bytes);
        copy_bytes(context, buffers_.back().data(), context.device, host.data, {}, bytes);
        return View(buffers_.back().data(), host.dtype, host.shape, context.device);
    }

    std::vector<Buffer> buffers_;
};

/// The images of the batch, u8 [B, S, S, 3] or T [B, 3, S, S], drawn on the context's device.
template <class T = std::uint8_t>
std::vector<T> images_of(const SpectrumBatch& batch, const ImageOptions& options,
                         const Context& context = {}) {
    const std::int64_t count = batch.flux.shape[0];
    const std::int64_t side = options.image_size;
    const bool is_pixels = dtype_of_v<T> == DType::u8;
    const Shape shape = is_pixels ? Shape{count, side, side, 3} : Shape{count, 3, side, side};
    const UploadedSpectra uploaded(context, batch);
    std::vector<T> images(shape.numel());
    const Buffer output(context, images.size() * sizeof(T));
    fill_bytes(context, output.data(), 0xAB, output.bytes());
    render(context, options, uploaded.batch,
           View(output.data(), dtype_of_v<T>, shape, context.device));
    copy_bytes(context, images.data(), {}, output.data(), context.device, output.bytes());
    synchronize(context);
    return images;
}

/// The u8 images [B, S, S, 3] of the spectra.
inline std::vector<std::uint8_t> images_of(TestSpectra& spectra, const ImageOptions& options,
                                           const Context& context = {}) {
    return images_of(spectra.batch(), options, context);
}

/// simt under several schedules, and CUDA where there is a GPU.
inline std::vector<Context> device_contexts() {
    std::vector<Context> contexts;
    for (const auto& way : kernels::testing::ways_of({}, {"device"})) {
        contexts.push_back(way.context);
    }
    return contexts;
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
