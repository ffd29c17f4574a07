#pragma once
// The common wavelength grid, and bringing a spectrum onto it.
//
// Pixel i of the grid is centred on log10(lambda / A) = 3.5486 + 1e-4 i, i = 0..4690 (FORMATS,
// definitions). A pixel reaches halfway to its neighbours' centres, on the grid and in spectra.
// A spectrum whose own pixels lie on the grid is copied to its place; any other is rebinned so that
// flux is conserved:
//
//     f_j   = sum_i o_ij f_i / sum_i o_ij        o_ij = overlap of bin j and pixel i in A
//     var_j = sum_i (o_ij / sum_k o_kj)^2 / inverse_variance_i
//
// (Carnall 2017, arXiv:1705.05165, eqs. 3 and 4). A bin that touches a masked pixel, a gap or the
// outside of the spectrum is masked: flux 0, inverse variance 0, mask 1.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "kernels/core/view.h"

namespace balmer::kernels {

inline constexpr double common_grid_first = 3.5486;  ///< log10(A) of the first pixel's centre
inline constexpr double common_grid_step = 1e-4;     ///< dex a pixel
inline constexpr std::int64_t common_grid_pixels = 4691;
/// A pixel this close to a grid pixel's centre (in pixels) is that pixel.
inline constexpr double common_grid_tolerance = 0.01;

/// Wavelength (A, vacuum) of the centre of grid pixel `index`.
double common_grid_wavelength(std::int64_t index);

/// The grid index of the first pixel where pixel k of the spectrum lies on grid index start + k for
/// every k, within `common_grid_tolerance`; empty otherwise. The start may lie outside the grid.
/// `wavelength` in A.
std::optional<std::int64_t> grid_start(std::span<const double> wavelength);

/// One spectrum's pixels [length]; wavelength in A, strictly increasing; mask 0 good, 1 bad.
struct SpectrumPixels {
    std::span<const double> wavelength;
    std::span<const float> flux;
    std::span<const float> inverse_variance;
    std::span<const std::uint8_t> mask;
    std::optional<std::int64_t> grid_start;  ///< as `grid_start(wavelength)` gives it
};

/// One row [common_grid_pixels] of a batch on the common grid.
struct GridPixels {
    std::span<float> flux;
    std::span<float> inverse_variance;
    std::span<std::uint8_t> mask;
};

/// Brings one spectrum onto the common grid. Pixels on the grid (with or without gaps) are copied
/// bit for bit, masked ones included; others are rebinned in f64. Good pixels need an inverse
/// variance above 0. ShapeError if lengths differ.
void resample_to_common_grid(const SpectrumPixels& spectrum, const GridPixels& output);

/// As above for a batch: flux, inverse_variance and mask are row-major [B, common_grid_pixels].
void resample_to_common_grid(const Context& context, std::span<const SpectrumPixels> spectra,
                             std::span<float> flux, std::span<float> inverse_variance,
                             std::span<std::uint8_t> mask);

/// `grid_start` of a spectrum whose place on the grid is not known.
inline constexpr std::int64_t no_grid_start = std::numeric_limits<std::int64_t>::min();

/// A batch of B spectra of P pixels in all, on any device. Spectrum b is pixels offsets[b] to
/// offsets[b + 1], which must not descend and stay within P.
struct ResampleBatch {
    View wavelength;            ///< f64 [P], A, strictly increasing within a spectrum
    View flux;                  ///< f32 [P]
    View inverse_variance;      ///< f32 [P]
    View mask;                  ///< u8 [P], 0 good, 1 bad
    View offsets;               ///< i64 [B + 1]
    View grid_start;            ///< i64 [B], optional: as `grid_start` gives it or no_grid_start
    View out_flux;              ///< f32 [B, common_grid_pixels]
    View out_inverse_variance;  ///< f32 [B, common_grid_pixels]
    View out_mask;              ///< u8 [B, common_grid_pixels]
};

/// Brings each spectrum onto the common grid, as the functions above do. On the CPU offsets are
/// checked (ShapeError).
void resample_to_common_grid(const Context& context, const ResampleBatch& arguments);

}  // namespace balmer::kernels
