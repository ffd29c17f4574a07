#include "train/model_input.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/core/choice.h"
#include "kernels/core/nearest_name.h"
#include "kernels/core/parallel.h"
#include "kernels/core/transfer.h"
#include "kernels/resample/resample.h"
#include "render/image.h"
#include "tensor/ops.h"
#include "vit/spectrum_transformer.h"

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

/// Flux, position and good pixels (1 good, else 0) of rows [begin, begin + count), [count, L].
std::vector<Tensor> standardised_rows(const Context& context, const data::Batch& batch,
                                      std::int64_t begin, std::int64_t count) {
    const std::int64_t length = batch.length;
    const Tensor flux = Tensor::empty({count, length}, DType::f32);
    const Tensor position = Tensor::empty({count, length}, DType::f32);
    const Tensor good = Tensor::empty({count, length}, DType::u8);
    parallel_for(context, count, 1, [&](std::int64_t b) {
        const std::int64_t source = (begin + b) * length;
        const std::int64_t target = b * length;
        standardise(batch.flux.data() + source, batch.mask.data() + source, length,
                    flux.data<float>() + target);
        const double* wavelengths = batch.wavelength.empty()
                                        ? data::common_grid_wavelengths().data()
                                        : batch.wavelength.data() + source;
        for (std::int64_t i = 0; i < length; ++i) {
            const bool is_bad = batch.mask[source + i] != 0;
            position.data<float>()[target + i] =
                is_bad ? 0.0F : static_cast<float>(vit::wavelength_position(wavelengths[i]));
            good.data<std::uint8_t>()[target + i] = is_bad ? 0 : 1;
        }
    });
    return {flux, position, good};
}

vit::ModelInput spectrum_input(const Tensor& flux, const Tensor& position, const Tensor& good) {
    vit::ModelInput input;
    input.flux = flux;
    input.position = position;
    input.mask = good;
    return input;
}

/// Whether images are drawn as patch rows: unless BALMER_CHOICE says otherwise.
bool draws_patch_rows() {
    bool is_wildcard = false;
    const std::string forced = forced_choice("model_input", is_wildcard);
    if (!forced.empty() && !is_wildcard && forced != "image" && forced != "patch_rows") {
        throw UsageError("BALMER_CHOICE: model_input has no implementation '" + forced + "'");
    }
    return forced != "image";
}

constexpr std::array<View render::SpectrumBatch::*, 6> spectrum_views = {
    &render::SpectrumBatch::flux,
    &render::SpectrumBatch::mask,
    &render::SpectrumBatch::inverse_variance,
    &render::SpectrumBatch::inverse_variance_known,
    &render::SpectrumBatch::wavelength,
    &render::SpectrumBatch::lengths};

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
      is_fused_(draws_patch_rows()),
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
    if (takes_images_) return build_image(batch, begin, count);
    const std::vector<Tensor> rows = standardised_rows(context_, batch, begin, count);
    return spectrum_input(rows[0].to(context_), rows[1].to(context_), rows[2].to(context_));
}

vit::ModelInput InputBuilder::build_image(const data::Batch& batch, std::int64_t begin,
                                          std::int64_t count) const {
    std::vector<Tensor> uploaded;  // keeps the views' storage alive
    render::SpectrumBatch spectra = data::image_batch(batch, begin, count);
    for (const auto member : spectrum_views) {
        View& view = spectra.*member;
        if (!view || view.device == context_.device) continue;
        uploaded.push_back(Tensor::empty(view.shape, view.dtype, context_));
        copy_view(context_, uploaded.back().view(), view);
        view = uploaded.back().view();
    }
    return draw(spectra);
}

vit::ModelInput InputBuilder::draw(const render::SpectrumBatch& spectra) const {
    const std::int64_t count = spectra.flux.shape[0];
    vit::ModelInput input;
    const Shape shape = is_fused_ ? render::patch_rows_shape(options_.image, count)
                                  : Shape{count, 3, image_size_, image_size_};
    input.pixels = Tensor::empty(shape, precision_, context_);
    render::render(context_, options_.image, spectra, input.pixels.view());
    return input;
}

InputBuilder::Arrays InputBuilder::arrays(const data::Batch& batch) const {
    Arrays arrays;
    if (takes_images_) {
        render::SpectrumBatch spectra = data::image_batch(batch, 0, batch.size);
        const bool is_augmented = !batch.augmentation.empty();
        if (!render::uses_wavelength(options_.image) && !is_augmented) spectra.wavelength = {};
        for (const auto member : spectrum_views) arrays.views.push_back(spectra.*member);
        if (is_augmented) arrays.views.push_back(render::view_of(batch.augmentation));
    } else {
        arrays.storage = standardised_rows(context_, batch, 0, batch.size);
        for (const Tensor& tensor : arrays.storage) arrays.views.push_back(tensor.view());
    }
    return arrays;
}

void InputBuilder::augment(const std::vector<Tensor>& arrays) const {
    if (arrays.size() <= spectrum_views.size()) return;
    render::SpectrumBatch spectra;
    for (std::size_t i = 0; i < spectrum_views.size(); ++i) {
        if (arrays[i].defined()) spectra.*spectrum_views[i] = arrays[i].view();
    }
    render::augment(context_, {.batch = spectra, .draws = arrays.back().view()});
}

vit::ModelInput InputBuilder::build(const std::vector<Tensor>& arrays, std::int64_t begin,
                                    std::int64_t count) const {
    const auto rows_of = [&](const Tensor& array) { return slice(array, 0, begin, count); };
    if (!takes_images_) {
        return spectrum_input(rows_of(arrays[0]), rows_of(arrays[1]), rows_of(arrays[2]));
    }
    render::SpectrumBatch spectra;
    for (std::size_t i = 0; i < spectrum_views.size(); ++i) {
        if (!arrays[i].defined()) continue;
        const auto member = spectrum_views[i];
        // The wavelengths of the common grid are those of every row.
        const bool is_shared =
            member == &render::SpectrumBatch::wavelength && arrays[i].rank() == 1;
        spectra.*member = (is_shared ? arrays[i] : rows_of(arrays[i])).view();
    }
    return draw(spectra);
}

}  // namespace balmer::train
