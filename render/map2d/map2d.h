#pragma once
// The two-dimensional map: successive values of a spectrum fill blocks of block_size x block_size
// pixels, n = image_size / block_size of them a row, row by row from the top left.
//
// Source: Strano Moraes, Becker, Protopapas, Cabrera-Vives, A&A 709, A122 (2026),
// arXiv:2506.00294. `map2d`, `map2d_norm` and `map2d_deriv` give the pixels of its Python
// code bit for bit when the mask is ignored; pixels right of and below the blocks stay background.
//
// Flux f32 is widened to f64 before any arithmetic, as the reference's arrays are f64.

#include <cstdint>

#include "render/image.h"

namespace balmer::render {

/// The flux in matplotlib's colours over a range [low, high]: index trunc((flux - low) / (high -
/// low) * 256), 256 itself becoming 255, below the range the first and above it the last colour.
/// The range is, by option,
///   fixed       [vmin, vmax], the same for every spectrum;
///   minmax      the spectrum's own lowest and highest flux;
///   percentile  its 1st and 99th percentile;
///   asinh       none: the index is linear in asinh((flux - median) / (1.4826 MAD)) up to 100 such
///               units to either side of the median, MAD the median absolute deviation from it.
/// The last three are taken over its pixels that are neither masked, NaN nor infinite, before any
/// interpolation; where they have no extent all has one colour: the first, with asinh the middle
/// one. Background, and masked pixels when use_mask is set, have the colour of flux 0. NaN and
/// infinities are white: what matplotlib's imshow leaves of them.
/// A row of blocks cut by the lower edge is filled too: n x ceil(image_size / block_size) values.
void map2d(const Context& context, const ImageRequest& request);
std::int64_t map2d_capacity(const ImageOptions& options);

/// trunc(255 (flux - minimum) / (maximum - minimum)) in the red channel, minimum and maximum over
/// the whole spectrum; n x n values. Masked pixels when use_mask is set, NaN and infinities take
/// no part in the range and are 0, as is the background. A constant spectrum is 0 everywhere.
void map2d_norm(const Context& context, const ImageRequest& request);
std::int64_t map2d_norm_capacity(const ImageOptions& options);

/// As map2d_norm, and in the green channel the gradient of the flux, in the blue one the gradient
/// of that gradient (numpy.gradient, values one apart), each from its own minimum to its own
/// maximum. With `interpolate` they are gradients of the interpolated flux, as the reference's are:
/// pieces of straight lines, whose second gradient is 0 but for the corners. A gradient is masked
/// (0, and no part of its range) where its own value or one that it is made of is, and in a
/// spectrum of one value.
void map2d_deriv(const Context& context, const ImageRequest& request);

/// Three channels of spectral_channels.h in blocks; n x n values, background 0.
void map2d_robust(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
