#pragma once
// One spectrum from the arms of a spectrograph whose wavelengths overlap on a common grid.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "data/spectrum.h"

namespace balmer::data {

/// Pixels of different arms closer than this (A) are one pixel: far below any survey's sampling,
/// far above the rounding of a grid (DESI's arms agree to 1e-9).
inline constexpr double coincident_wavelength = 1e-3;

/// Brings the pixels of all arms, laid one arm behind the other, into one increasing order and
/// merges those that coincide. Made once a file, used for each of its spectra.
class ArmMerger {
  public:
    /// `wavelength` (A): the pixels of at most `arms` arms, in any order; `path` names the file in
    /// errors. Throws SpectrumError(bad_wavelength) when one is not finite or more of them than
    /// there are arms coincide.
    ArmMerger(const std::string& path, std::span<const double> wavelength, std::size_t arms);

    /// Merged wavelengths, increasing: of coinciding pixels that of the arm that stands first.
    const std::vector<double>& wavelength() const { return wavelength_; }

    /// Replaces the unmerged pixels of `spectrum` (flux, inverse_variance, mask of the length given
    /// at construction) by merged ones and sets its wavelength. A pixel that one arm alone has, or
    /// that is good in one arm alone, is taken as it stands; where several are good
    /// flux = sum f w / sum w and inverse variance = sum w (in f64, rounded once), w being the
    /// inverse variance; where none is, the arm that stands first gives it.
    void merge(Spectrum& spectrum) const;

  private:
    std::vector<double> wavelength_;
    std::vector<std::size_t> merged_pixel_;  ///< of each unmerged one
};

}  // namespace balmer::data
