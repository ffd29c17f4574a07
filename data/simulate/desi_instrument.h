#pragma once
// The three arms of DESI's spectrographs: linear pixels that overlap, each arm with noise of its
// own.

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/core/random.h"

namespace balmer::data::simulation {

/// A reduced spectrum of one arm. Pixel i lies at 3600 + 0.8 (first_pixel + i) A, vacuum.
struct DesiArm {
    char name = ' ';  ///< 'B', 'R' or 'Z'
    std::int64_t first_pixel = 0;
    std::vector<float> flux;  ///< 1e-17 erg/s/cm2/A
    std::vector<float> inverse_variance;
    std::vector<std::uint32_t> mask;  ///< 0 good

    double wavelength(std::size_t i) const {
        return 3600.0 + 0.8 * static_cast<double>(first_pixel + static_cast<std::int64_t>(i));
    }
    std::vector<double> wavelengths() const;
};

/// Observes a source on `observed_grid` so that the median flux * sqrt(ivar) over all arms is about
/// `signal_to_noise`. The noise resembles that of coadds of dark tiles.
std::array<DesiArm, 3> observe_desi(Random& random, std::vector<double> flux,
                                    double signal_to_noise);

}  // namespace balmer::data::simulation
