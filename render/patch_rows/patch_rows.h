#pragma once
// patch-rows: three channels of spectral_channels.h laid out so that every patch of a vision
// transformer holds one contiguous stretch of wavelength, and its token therefore a piece of
// spectrum.
//
// With P = patch_size and N = (image_size / P)^2 patches, a spectrum of L pixels gives each patch
// k = ceil(L / N) successive ones (common grid, 224 px, P = 16: 4691 pixels, 196 patches, k = 24).
// Inside a patch the k pixels fill c columns and ceil(k / c) rows of cells, c the smallest divisor
// of P with c^2 >= k (24 pixels: 8 x 3 cells of 2 x 5 or 6 image pixels), rows alternating left to
// right and right to left, so that successive pixels always touch. Patches follow each other row by
// row; fill_order boustrophedon reverses every second row of patches.
//
// Spectra of more than N P^2 pixels are averaged first, m = ceil(L / (N P^2)) pixels to one.
// Nothing is lost; cells and patches beyond the end are black.

#include <cstdint>

#include "render/image.h"

namespace balmer::render {

void patch_rows(const Context& context, const ImageRequest& request);
/// No limit: every pixel has its place.
std::int64_t patch_rows_capacity(const ImageOptions& options);

}  // namespace balmer::render
