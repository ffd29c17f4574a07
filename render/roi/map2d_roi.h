#pragma once
// map2d-roi: as map2d-norm, and 50 in the green channel inside the regions of interest of the
// spectrum: the 50 stretches that stand out most from their surroundings.
//
// Source: Strano Moraes, Becker, Protopapas, Cabrera-Vives, A&A 709, A122 (2026),
// arXiv:2506.00294, whose Python code calls scipy.signal.savgol_filter, pandas' rolling median and
// numpy's trapezoid:
//   s  the flux, smoothed by the Savitzky-Golay filter of order 3 over 25 values;
//   m  the median of s over 50 values, from 25 before to 24 behind; undefined where the window
//      leaves the spectrum;
//   a region is a run of values with |s - m| > 1.5 (in units of the flux);
//   its equivalent width is the trapezoid integral of (s - m) / m over wavelength: 0 of a single
//   value; infinite where m is 0.
// The 50 regions of largest absolute width are shown, of equal ones the first.
//
// A masked value (with use_mask), NaN or infinity leaves s undefined in the 25 windows that hold
// it, those of both ends included, and m wherever it leaves s undefined in a window: 37 values to
// either side lie in no region. (scipy and pandas do the same, but raise an error where the first
// or last 25 values are not finite.) Spectra of fewer than 50 values have no region; scipy raises
// an error below 25. With `interpolate` the values are those of the interpolated flux.
//
// All in f64 in a stated order (regions_math.h), the same on every device. Against scipy and pandas
// s, and so m, differ in their last bits (by some 1e-14 of the largest flux), and so do the widths:
// flags can differ only where |s - m| comes that near to 1.5, or the widths of the 50th and 51st
// region to each other. The choice of the median is exact.

#include <cstdint>

#include "render/image.h"

namespace balmer::render {

/// Needs wavelengths. As many values as map2d_norm.
void map2d_roi(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
