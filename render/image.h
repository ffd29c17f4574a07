#pragma once
// Spectrum -> image. One call for every image type and device; the types stand in a table by name.

#include <cstdint>
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/view.h"
#include "render/image_options.h"

namespace balmer::render {

/// A batch of spectra: B rows of L pixels, all views contiguous and on the context's device.
/// Absent views are default-constructed.
struct SpectrumBatch {
    View flux;              ///< f32 [B, L]
    View mask;              ///< u8 [B, L], 0 = good; absent: every pixel is good
    View inverse_variance;  ///< f32 [B, L]; absent: unknown, unit weights
    /// u8 [B], 0 where a row's inverse variances are placeholders and count as unknown; absent: all
    /// rows are known.
    View inverse_variance_known = {};
    View wavelength;  ///< f64 [B, L] or [L], increasing; see uses_wavelength
    /// i64 [B]: pixels of each row that exist, 0..L (other devices than the CPU cut what lies
    /// outside to that); absent: all L.
    View lengths;
};

/// What a renderer gets; `output` has been checked against `options` and `batch`.
struct ImageRequest {
    const ImageOptions& options;
    const SpectrumBatch& batch;
    View output;
};

/// What a type does with the wavelengths of the spectra: it draws without them over the pixels'
/// index where they are `optional`.
enum class WavelengthUse : std::uint8_t { none, optional, required };

/// An image type: `summary` is one line for --help; `capacity` the number of values that land in
/// an image.
struct ImageType {
    const char* name;
    const char* summary;
    void (*render)(const Context&, const ImageRequest&);
    std::int64_t (*capacity)(const ImageOptions&);
    WavelengthUse wavelength = WavelengthUse::none;
};

/// Every image type, the reference's first.
std::span<const ImageType> image_types();

/// Throws UsageError with the known names and the nearest one if there is no such type.
const ImageType& find_image_type(const std::string& name);

/// Draws every spectrum of the batch. `output` is u8 [B, S, S, 3] (rows from the top, red green
/// blue, as matplotlib and PIL hold pixels), or f32 or bf16 [B, 3, S, S] with
/// (pixel / 255 - mean) / standard_deviation: what a vision transformer takes; or the same values
/// as patch rows [B, N, 3 p p], p = options.patch_size, as kernels::extract_patches would make them
/// from the image, which then exists nowhere. Every device draws the same bytes.
///
/// Defined for every input: no pixels, one pixel, more pixels than fit (the rest is not drawn, see
/// lost_pixels), nothing but masked pixels, constant flux, NaN and infinities.
///
/// Throws UsageError (validate, or no wavelengths where they are needed), ShapeError, DTypeError,
/// DeviceError.
void render(const Context& context, const ImageOptions& options, const SpectrumBatch& batch,
            const View& output);

/// [count, N, 3 p p]: the shape of patch rows. UsageError if patches do not tile the image.
Shape patch_rows_shape(const ImageOptions& options, std::int64_t count);

/// Whether images depend on the wavelengths of the spectra: by their type, or `interpolate`.
bool uses_wavelength(const ImageOptions& options);

/// How many of `pixels` values find no place in an image: the callers warn and count.
std::int64_t lost_pixels(const ImageOptions& options, std::int64_t pixels);

}  // namespace balmer::render
