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
// the order or size of batches change a bit. The arithmetic stands in augment_pixel.h.

#include <cstdint>
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

struct AugmentRequest {
    const AugmentOptions& options;
    std::uint64_t seed = 0;
    std::uint64_t epoch = 0;
    SpectrumBatch batch;  ///< changed in place; needs flux, mask, inverse_variance and wavelength
    View rows;            ///< i64 [B]: what identifies each spectrum
    View log_stretch;     ///< f64 [B], written: ln of the factor that 1 + z is multiplied by
};

/// Changes every spectrum of a batch. `shift` needs the common grid: wavelengths of shape [L].
/// Throws UsageError, ShapeError, DTypeError, DeviceError.
void augment(const Context& context, const AugmentRequest& request);

}  // namespace balmer::render
