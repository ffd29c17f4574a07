// Augmentation on the device: a block changes a spectrum in place, 9 bytes read and written a
// pixel, some 200 operations in f64 between (two logarithms, an exponential and a cosine): on a GPU
// that does f64 at half the rate of f32 both take well below a microsecond a spectrum.
//
// A shift moves pixels within the row that is read: a block goes through it against the direction
// of the shift, a group of pixels at a time, and reads all pixels of a group before it writes one.
// What later groups read lies beyond what was written.

#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "render/augment/augment_cuda.h"
#include "render/augment/augment_pixel.h"

namespace balmer::render {
namespace {

constexpr int threads = 256;

struct Spectra {
    float* flux;
    float* inverse_variance;
    std::uint8_t* mask;
    const std::uint8_t* inverse_variance_known;
    const double* wavelength;
    std::int64_t wavelength_stride;
    std::int64_t length;
};

struct AugmentPixel {
    float flux = 0.0F;
    float inverse_variance = 0.0F;
    std::uint8_t mask = 1;
};

/// The parts of augment_cpu.cpp, in its order and arithmetic.
__device__ __forceinline__ void change(AugmentPixel& pixel, const AugmentDraw& draw,
                                       double wavelength, std::int64_t i, bool is_known) {
    if ((draw.log_scale != 0.0 || draw.slope != 0.0) && wavelength > 0.0) {
        const float factor = augment_factor(draw, wavelength);
        pixel.flux *= factor;
        if (is_known) pixel.inverse_variance /= factor * factor;
    }
    if (draw.noise > 0.0 && is_known && pixel.mask == 0 && pixel.inverse_variance > 0.0F) {
        const auto share = static_cast<float>(1.0 / (1.0 + draw.noise * draw.noise));
        const NormalParts normal =
            augment_normal(draw, first_pixel_draw + static_cast<std::uint64_t>(i));
        const double size = sqrt(normal.radius_squared / pixel.inverse_variance);
        pixel.flux += static_cast<float>(draw.noise * size * normal.cosine);
        pixel.inverse_variance *= share;
    }
    if (draw.regions != 0 && is_in_masked_region(draw, wavelength)) {
        pixel.mask = 1;
        pixel.inverse_variance = 0.0F;
    }
}

__global__ void __launch_bounds__(threads)
    augment_kernel(Spectra spectra, const AugmentDraw* draws) {
    const std::int64_t b = blockIdx.x;
    const AugmentDraw draw = draws[b];
    const std::int64_t length = spectra.length;
    const std::int64_t start = b * length;
    const double* wavelength = spectra.wavelength + b * spectra.wavelength_stride;
    const bool is_known =
        spectra.inverse_variance_known == nullptr || spectra.inverse_variance_known[b] != 0;
    const std::int64_t shift = spectra.wavelength_stride == 0 ? draw.shift : 0;
    for (std::int64_t group = 0; group < length; group += threads) {
        const std::int64_t place = group + threadIdx.x;
        const std::int64_t i = shift > 0 ? length - 1 - place : place;
        const std::int64_t from = i - shift;
        AugmentPixel pixel;
        if (place < length && from >= 0 && from < length) {
            pixel = {spectra.flux[start + from], spectra.inverse_variance[start + from],
                     spectra.mask[start + from]};
        }
        if (shift != 0) __syncthreads();
        if (place >= length) continue;
        change(pixel, draw, wavelength[i], i, is_known);
        spectra.flux[start + i] = pixel.flux;
        spectra.inverse_variance[start + i] = pixel.inverse_variance;
        spectra.mask[start + i] = pixel.mask;
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_augment_device(const Context& context, const AugmentRequest& request) {
    return accepts_on(device, context, request.batch.flux.dtype);
}

template <DeviceType device>
void augment_device(const Context& context, const AugmentRequest& request) {
    const SpectrumBatch& batch = request.batch;
    const bool is_shared = batch.wavelength.shape.rank() == 1;
    const Spectra spectra{
        batch.flux.as<float>(),
        batch.inverse_variance.as<float>(),
        batch.mask.as<std::uint8_t>(),
        batch.inverse_variance_known ? batch.inverse_variance_known.as<std::uint8_t>() : nullptr,
        batch.wavelength.as<double>(),
        is_shared ? 0 : batch.flux.shape[1],
        batch.flux.shape[1]};
    launch("augment", context, augment_kernel,
           {{static_cast<unsigned>(batch.flux.shape[0])}, threads}, spectra,
           reinterpret_cast<const AugmentDraw*>(request.draws.as<std::uint8_t>()));
}

template std::string accepts_augment_device<this_device>(const Context&, const AugmentRequest&);
template void augment_device<this_device>(const Context&, const AugmentRequest&);

}  // namespace balmer::render
