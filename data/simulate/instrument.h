#pragma once
// From light above the atmosphere to a reduced spectrum with noise and flaws.

#include <cstdint>
#include <span>
#include <vector>

#include "data/simulate/spectral_grid.h"
#include "kernels/core/random.h"

namespace balmer::data::simulation {

enum class Instrument : std::uint8_t {
    sdss_legacy,  ///< 3800-9200 A
    boss,         ///< 3560-10400 A
    lamost,       ///< 3700-9100 A
};

/// Mask bits of SDSS spectra that the simulator sets (SDSS bitmask SPPIXMASK).
enum PixelMaskBit : int {
    near_bad_pixel = 16,
    low_flat = 17,
    full_reject = 18,
    no_sky = 22,
    bright_sky = 23,
    no_data = 24,
    combine_rejected = 25,
};

/// Of an instrument's noise between the sky lines, in the unit that the curve has.
struct NoisePoint {
    double wavelength, noise;
};

/// The noise at a wavelength (A): linear between the points of a curve, beyond them that of its
/// ends.
double noise_at(std::span<const NoisePoint> curve, double wavelength);

/// A reduced spectrum on the survey's pixels: log10 wavelengths are multiples of 1e-4.
struct Exposure {
    std::int64_t first_pixel = 0;  ///< log10(wavelength) of pixel 0 in units of 1e-4
    std::vector<float> flux;
    std::vector<float> truth;  ///< noiseless flux, calibration errors included
    std::vector<float> inverse_variance;
    std::vector<float> sky;
    std::vector<float> dispersion;  ///< sigma of the line-spread function, pixels
    std::vector<std::int32_t> and_mask;
    std::vector<std::int32_t> or_mask;

    double log10_wavelength(std::int64_t i) const {
        return 1e-4 * static_cast<double>(first_pixel + i);
    }
};

/// Puts the flaws of a calibration and the Milky Way's dust on the flux of a source on
/// `observed_grid`.
void miscalibrate(Random& random, std::vector<double>& flux, Instrument instrument);

/// Observes a source on `observed_grid` so that the median flux * sqrt(ivar) is about
/// `signal_to_noise`. Flux scale and noise level resemble the survey's.
Exposure observe(Random& random, std::vector<double> flux, Instrument instrument,
                 double signal_to_noise);

}  // namespace balmer::data::simulation
