#include "train/model_input.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/nearest_name.h"
#include "kernels/core/parallel.h"
#include "kernels/core/transfer.h"
#include "kernels/resample/resample.h"
#include "render/image.h"

namespace balmer::train {

namespace {

/// Standardises the good pixels of one spectrum; the others become 0.
void standardise(const float* flux, const std::uint8_t* mask, std::int64_t length, float* out) {
    double count = 0.0;
    double sum = 0.0;
    for (std::int64_t i = 0; i < length; ++i) {
        if (mask[i] != 0) continue;
        count += 1.0;
        sum += flux[i];
    }
    const double mean = sum / std::max(1.0, count);
    double squares = 0.0;
    for (std::int64_t i = 0; i < length; ++i) {
        if (mask[i] == 0) squares += (flux[i] - mean) * (flux[i] - mean);
    }
    const double deviation = std::sqrt(squares / std::max(1.0, count));
    const double scale = deviation > 0.0 ? 1.0 / deviation : 0.0;
    for (std::int64_t i = 0; i < length; ++i) {
        out[i] = mask[i] == 0 ? static_cast<float>((flux[i] - mean) * scale) : 0.0F;
    }
}

}  // namespace

const char* name_of(data::Grid grid) {
    return grid == data::Grid::common ? "common" : "native";
}

data::Grid grid_named(const std::string& name) {
    for (const data::Grid grid : {data::Grid::common, data::Grid::native}) {
        if (name == name_of(grid)) return grid;
    }
    throw unknown_name("--grid", name, {"common", "native"});
}

std::map<std::string, std::string> to_map(const InputOptions& options) {
    std::map<std::string, std::string> values = render::to_map(options.image);
    values["grid"] = name_of(options.grid);
    return values;
}

InputOptions input_options(const vit::ModelConfig& config) {
    InputOptions options;
    std::map<std::string, std::string> values = config.image;
    if (const auto grid = values.extract("grid")) options.grid = grid_named(grid.mapped());
    options.image = render::image_options_from_map(values);
    options.image.image_size = config.image_size;
    options.image.patch_size = config.patch_size;
    for (std::size_t c = 0; c < 3; ++c) {
        options.image.mean[c] = static_cast<float>(config.image_mean[c]);
        options.image.standard_deviation[c] = static_cast<float>(config.image_deviation[c]);
    }
    return options;
}

InputBuilder::InputBuilder(const vit::ModelConfig& config, const Context& context, DType precision)
    : options_(input_options(config)),
      takes_images_(config.architecture == "vit"),
      image_size_(config.image_size),
      context_(context),
      precision_(precision) {
    if (takes_images_) render::validate(options_.image);
}

std::int64_t InputBuilder::lost_pixels(std::int64_t pixels) const {
    if (!takes_images_) return 0;
    const bool is_common = options_.grid == data::Grid::common;
    return render::lost_pixels(options_.image, is_common ? kernels::common_grid_pixels : pixels);
}

vit::ModelInput InputBuilder::build(const data::Batch& batch, std::int64_t begin,
                                    std::int64_t count) const {
    return takes_images_ ? build_image(batch, begin, count) : build_spectrum(batch, begin, count);
}

vit::ModelInput InputBuilder::build_image(const data::Batch& batch, std::int64_t begin,
                                          std::int64_t count) const {
    const Tensor pixels = Tensor::empty({count, 3, image_size_, image_size_}, precision_, context_);
    std::vector<Tensor> uploaded;  // keeps the views' storage alive
    const auto upload = [&](View& view) {
        if (!view || view.device == context_.device) return;
        uploaded.push_back(Tensor::empty(view.shape, view.dtype, context_));
        copy_bytes(context_, uploaded.back().view().data, context_.device, view.data, view.device,
                   static_cast<std::size_t>(view.numel()) * size_of(view.dtype));
        view = uploaded.back().view();
    };
    render::SpectrumBatch spectra = data::image_batch(batch, begin, count);
    for (View* view : {&spectra.flux, &spectra.mask, &spectra.inverse_variance,
                       &spectra.inverse_variance_known, &spectra.wavelength, &spectra.lengths}) {
        upload(*view);
    }
    render::render(context_, options_.image, spectra, pixels.view());
    vit::ModelInput input;
    input.pixels = pixels;
    return input;
}

vit::ModelInput InputBuilder::build_spectrum(const data::Batch& batch, std::int64_t begin,
                                             std::int64_t count) const {
    const std::int64_t length = batch.length;
    const Tensor flux = Tensor::empty({count, length}, DType::f32);
    const Tensor wavelength = Tensor::empty({count, length}, DType::f64);
    const Tensor mask = Tensor::empty({count, length}, DType::u8);
    parallel_for(context_, count, 1, [&](std::int64_t b) {
        const std::int64_t source = (begin + b) * length;
        const std::int64_t target = b * length;
        standardise(batch.flux.data() + source, batch.mask.data() + source, length,
                    flux.data<float>() + target);
        const double* wavelengths = batch.wavelength.empty()
                                        ? data::common_grid_wavelengths().data()
                                        : batch.wavelength.data() + source;
        std::copy_n(wavelengths, length, wavelength.data<double>() + target);
        std::transform(batch.mask.data() + source, batch.mask.data() + source + length,
                       mask.data<std::uint8_t>() + target,
                       [](std::uint8_t bad) { return std::uint8_t{bad == 0}; });
    });
    vit::ModelInput input;
    input.flux = flux.to(context_);
    input.wavelength = wavelength.to(context_);
    input.mask = mask.to(context_);
    return input;
}

}  // namespace balmer::train
