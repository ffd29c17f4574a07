#pragma once
// Augmentation: every time training sees a spectrum, it sees it a little differently, as another
// exposure might have shown it.
//
// In this order, each part with its own strength, 0 for none:
//   shift  the spectrum moves by a whole number of pixels of the common grid, -shift..shift drawn
//          evenly: its wavelengths, and 1 + z with them, are multiplied by 10^(k step). What moves
//          in from outside is masked.
//   scale  flux is multiplied by exp(scale a) (wavelength / 5500 A)^(scale b), a and b normal: an
//          error of the flux calibration, grey and of slope. Inverse variances follow.
//   noise  r sigma is added to every good pixel, r normal times an amount drawn from 0..noise for
//          the spectrum, sigma the pixel's own deviation; inverse variances follow. Spectra without
//          known inverse variances stay as they are.
//   mask   every sky region (bright sky lines, bands of OH, oxygen and water) is masked with this
//          probability.
//
// Each number is a function of (seed, epoch, row of the spectrum, pixel) alone: neither threads nor
// devices nor the order or size of batches change a bit. What happens to a spectrum is drawn on the
// host; the pixels change on the device where they lie, by the arithmetic of augment_pixel.h.

#include <cstdint>
#include <span>
#include <string>

#include "kernels/core/context.h"
#include "kernels/core/view.h"
#include "render/image.h"

namespace balmer::render {

struct AugmentOptions {
    double noise = 0.0;      ///< largest amount of noise, in units of a pixel's own deviation
    double mask = 0.0;       ///< probability of a sky region
    std::int64_t shift = 0;  ///< pixels
    double scale = 0.0;      ///< deviation of the exponents

    bool is_on() const { return noise > 0.0 || mask > 0.0 || shift > 0 || scale > 0.0; }
    bool operator==(const AugmentOptions&) const = default;
};

/// From "noise,shift=12": the parts to use, with their strengths where the usual ones (noise 1,
/// mask 0.3, shift 8, scale 0.1) are not meant; "" for none. UsageError for an unknown part (with
/// the nearest name), one named twice, or a strength that makes no sense.
AugmentOptions augment_options_from(const std::string& list);

/// As augment_options_from reads it, every part with its strength.
std::string to_string(const AugmentOptions& options);

/// What happens to one spectrum in one epoch. Plain bytes, which can be copied to a device.
struct AugmentDraw {
    std::uint64_t seed = 0;
    std::uint64_t epoch = 0;
    std::uint64_t row = 0;
    std::int64_t shift = 0;     ///< pixels towards the red
    double log_scale = 0.0;     ///< ln of the factor at 5500 A
    double slope = 0.0;         ///< its power of wavelength
    double noise = 0.0;         ///< in units of a pixel's deviation
    std::uint64_t regions = 0;  ///< bit i: sky_regions[i] is masked
};

AugmentDraw draw_augmentation(const AugmentOptions& options, std::uint64_t seed,
                              std::uint64_t epoch, std::uint64_t row);

/// ln of the factor that 1 + z is multiplied by.
double log_stretch(const AugmentDraw& draw);

struct AugmentRequest {
    SpectrumBatch batch;  ///< changed in place; needs flux, mask, inverse_variance and wavelength
    View draws;           ///< u8 [B, sizeof(AugmentDraw)], of each spectrum
};

/// The bytes of draws as AugmentRequest takes them.
View view_of(std::span<const AugmentDraw> draws);

/// Changes every spectrum of a batch. Shifts need the common grid: wavelengths of shape [L] (a
/// batch on other grids is not shifted). Throws ShapeError, DTypeError, DeviceError.
void augment(const Context& context, const AugmentRequest& request);

}  // namespace balmer::render
