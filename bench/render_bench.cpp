// Rendering a batch of spectra into normalised images, every image type.

#include <fmt/format.h>

#include "bench/bench_case.h"
#include "bench/packed_spectra.h"
#include "render/image.h"

namespace balmer::bench {

namespace {

render::SpectrumBatch random_spectra(Operands& operands, std::int64_t batch, std::int64_t pixels) {
    // Spectra are f32 whatever the images are.
    return {.flux = operands.normal_f32({batch, pixels}, 5.0, 20.0),
            .mask = operands.constant({batch, pixels}, DType::u8, 0.0),
            .inverse_variance = operands.constant({batch, pixels}, DType::f32, 0.25),
            .wavelength = operands.ramp_f64(pixels, 3600.0, 1.4),
            .lengths = {}};
}

/// Of a packed set, on their own grids.
render::SpectrumBatch observed_spectra(Operands& operands, std::int64_t batch,
                                       const std::string& folder) {
    const data::Batch host = packed_spectra(folder, batch, data::Grid::native);
    const Shape shape = {batch, host.length};
    return {.flux = operands.copy(shape, host.flux),
            .mask = operands.copy(shape, host.mask),
            .inverse_variance = operands.copy(shape, host.inverse_variance),
            .inverse_variance_known = operands.copy({batch}, host.inverse_variance_known),
            .wavelength = operands.copy(shape, host.wavelength),
            .lengths = operands.copy({batch}, host.lengths)};
}

Calls render_calls(const Workload& w, const std::string& type, Operands& operands,
                   std::int64_t batch) {
    const render::SpectrumBatch spectra = w.spectra.empty()
                                              ? random_spectra(operands, batch, w.spectrum_pixels)
                                              : observed_spectra(operands, batch, w.spectra);
    const View images = operands.output({batch, 3, w.image_size, w.image_size});
    auto options = std::make_shared<render::ImageOptions>();
    options->type = type;
    options->image_size = static_cast<int>(w.image_size);
    options->patch_size = static_cast<int>(w.patch_size);
    return {.own = {.run =
                        [options, spectra, images, context = operands.context()] {
                            render::render(context, *options, spectra, images);
                        },
                    .outputs = {{.name = "images", .view = images}}},
            .peer = {}};
}

}  // namespace

std::vector<BenchCase> render_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    if (w.image_size == 0 || w.spectrum_pixels == 0) return cases;
    const std::string pixels = w.spectra.empty() ? fmt::to_string(w.spectrum_pixels) : "packed";
    for (const render::ImageType& type : render::image_types()) {
        for (const std::int64_t batch : w.batches) {
            const double spectrum = 9.0 * static_cast<double>(w.spectrum_pixels);
            const double image = 3.0 * static_cast<double>(w.image_size * w.image_size) *
                                 static_cast<double>(size_of(w.dtype));
            cases.push_back(
                {.name = fmt::format("render_{}", type.name),
                 .model = w.model,
                 .shape = fmt::format("B={} L={} S={}", batch, pixels, w.image_size),
                 .batch = batch,
                 .dtype = w.dtype,
                 .work = {0.0, static_cast<double>(batch) * (spectrum + image)},
                 .make = [w, name = std::string(type.name)](
                             Operands& operands, Peers*,
                             std::int64_t count) { return render_calls(w, name, operands, count); },
                 .tolerance = tolerance_of(w.dtype)});
        }
    }
    return cases;
}

}  // namespace balmer::bench
