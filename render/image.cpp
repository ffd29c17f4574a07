#include "render/image.h"

#include <algorithm>
#include <vector>

#include "kernels/core/nearest_name.h"
#include "render/line_plot/line_plot.h"
#include "render/map2d/map2d.h"
#include "render/patch_rows/patch_rows.h"
#include "render/roi/map2d_roi.h"

namespace balmer::render {
namespace {

constexpr const char* operation = "render";

constexpr ImageType types[] = {
    {"simple", "flux over wavelength as one line, as matplotlib draws it", simple,
     line_plot_capacity, WavelengthUse::optional},
    {"overlap", "the spectrum cut in three lines over each other, red, green and blue", overlap,
     line_plot_capacity, WavelengthUse::optional},
    {"map2d", "raw flux in blocks, row by row, in the colours of a map", map2d, map2d_capacity},
    {"map2d-norm", "flux from its minimum to its maximum in blocks, red channel", map2d_norm,
     map2d_norm_capacity},
    {"map2d-deriv", "as map2d-norm, its first and second derivative in green and blue", map2d_deriv,
     map2d_norm_capacity},
    {"map2d-roi", "as map2d-norm, green in the 50 regions that stand out most", map2d_roi,
     map2d_norm_capacity, WavelengthUse::required},
    {"map2d-robust",
     "shape, continuum-normalised flux and line significance in blocks, red, green and blue",
     map2d_robust, map2d_norm_capacity},
    {"patch-rows", "as map2d-robust, each ViT patch one contiguous stretch of wavelength",
     patch_rows, patch_rows_capacity},
};

void expect_view(const View& view, DType dtype, const Shape& shape, const char* argument) {
    expect_dtype(view, dtype, operation, argument);
    expect_shape(view, shape, operation, argument);
    expect_contiguous(view, operation, argument);
}

void expect_on(const Context& context, const View& view, const char* argument) {
    if (view && !(view.device == context.device)) {
        throw DeviceError(std::string(operation) + ": " + argument + " lies on " +
                          name_of(view.device) + ", the context is " + name_of(context.device));
    }
}

/// The shape that `output` must have for `count` images, by its type and rank.
Shape output_shape(const ImageOptions& options, std::int64_t count, const View& output) {
    const std::int64_t side = options.image_size;
    if (output.dtype == DType::u8) return {count, side, side, 3};
    return output.shape.rank() == 3 ? patch_rows_shape(options, count)
                                    : Shape{count, 3, side, side};
}

void check(const Context& context, const ImageOptions& options, const SpectrumBatch& batch,
           const View& output) {
    const View& flux = batch.flux;
    if (flux.shape.rank() != 2) {
        throw ShapeError(std::string(operation) + ": flux must be [B, L], got " +
                         to_string(flux.shape));
    }
    const Shape whole = flux.shape;  // [B, L]
    expect_view(flux, DType::f32, whole, "flux");
    if (batch.mask) expect_view(batch.mask, DType::u8, whole, "mask");
    if (batch.inverse_variance) {
        expect_view(batch.inverse_variance, DType::f32, whole, "inverse_variance");
    }
    if (batch.inverse_variance_known) {
        expect_view(batch.inverse_variance_known, DType::u8, {whole[0]}, "inverse_variance_known");
    }
    if (batch.lengths) expect_view(batch.lengths, DType::i64, {whole[0]}, "lengths");
    if (batch.wavelength) {
        const bool is_shared = batch.wavelength.shape.rank() == 1;
        expect_view(batch.wavelength, DType::f64, is_shared ? Shape{whole[1]} : whole,
                    "wavelength");
    } else if (options.interpolate ||
               find_image_type(options.type).wavelength == WavelengthUse::required) {
        throw UsageError(
            (options.interpolate ? "image option interpolate" : "image type " + options.type) +
            " needs the wavelengths of the spectra");
    }
    if (output.dtype != DType::u8 && output.dtype != DType::f32 && output.dtype != DType::bf16) {
        throw DTypeError(std::string(operation) + ": output must be u8, f32 or bf16, got " +
                         std::string(name_of(output.dtype)));
    }
    expect_view(output, output.dtype, output_shape(options, whole[0], output), "output");
    expect_on(context, flux, "flux");
    expect_on(context, batch.mask, "mask");
    expect_on(context, batch.inverse_variance, "inverse_variance");
    expect_on(context, batch.inverse_variance_known, "inverse_variance_known");
    expect_on(context, batch.wavelength, "wavelength");
    expect_on(context, batch.lengths, "lengths");
    expect_on(context, output, "output");
}

}  // namespace

std::span<const ImageType> image_types() {
    return types;
}

const ImageType& find_image_type(const std::string& name) {
    std::vector<std::string> known;
    for (const auto& type : types) {
        if (name == type.name) return type;
        known.emplace_back(type.name);
    }
    throw unknown_name("image type", name, known);
}

void render(const Context& context, const ImageOptions& options, const SpectrumBatch& batch,
            const View& output) {
    validate(options);
    check(context, options, batch, output);
    if (batch.flux.shape[0] == 0) return;
    find_image_type(options.type).render(context, {options, batch, output});
}

Shape patch_rows_shape(const ImageOptions& options, std::int64_t count) {
    const std::int64_t patch = options.patch_size;
    if (patch < 1 || options.image_size % patch != 0) {
        throw UsageError("image_size " + std::to_string(options.image_size) +
                         " is no multiple of patch_size " + std::to_string(patch));
    }
    const std::int64_t patches = options.image_size / patch;
    return {count, patches * patches, 3 * patch * patch};
}

bool uses_wavelength(const ImageOptions& options) {
    return options.interpolate || find_image_type(options.type).wavelength != WavelengthUse::none;
}

std::int64_t lost_pixels(const ImageOptions& options, std::int64_t pixels) {
    const auto capacity = find_image_type(options.type).capacity(options);
    return std::max<std::int64_t>(0, pixels - capacity);
}

}  // namespace balmer::render
