#pragma once
// Line plots: the flux over the wavelength as one thin anti-aliased line, byte for byte what
// matplotlib 3.9 draws.
//
// Source: Strano Moraes, Becker, Protopapas, Cabrera-Vives, A&A 709, A122 (2026),
// arXiv:2506.00294. The figure is image_size / 100 inches wide and high at 100 dpi, white, without
// axes (`axis("off")`, `tight_layout(pad=0)`), the limits of the axes those of the finite values
// and 5 % more on each side, lines 0.5 points wide with projecting caps and round joins.
//
// The steps, each in its header: axes.h (limits, data to pixels), simplify.h (matplotlib leaves
// out vertices that make no visible difference), stroke.h (a line becomes a polygon), cells.h (a
// polygon becomes coverage and colour). Coordinates are f64 without contraction, coverage and
// colour integers, so that every device draws the same bytes.
//
// x is the wavelength, or the pixel's index where the batch has none. The line breaks at NaN and
// infinities, and at masked pixels when use_mask is set (false: the mask is ignored, as the
// reference does). A good pixel without a good neighbour is invisible, as in matplotlib: no pixels,
// one pixel and nothing but bad pixels give a white image; constant flux a horizontal line.

#include <cstdint>

#include "render/image.h"

namespace balmer::render {

/// One line in matplotlib's default blue.
void simple(const Context& context, const ImageRequest& request);

/// The pixel sequence cut in three (numpy.array_split), each third's x rescaled to 0..1 (first to
/// last pixel), drawn over each other in red, green and blue with opacity 0.5 on shared y limits.
/// A third of one pixel is not drawn and takes no part in the limits.
void overlap(const Context& context, const ImageRequest& request);

/// No limit: every pixel is drawn.
std::int64_t line_plot_capacity(const ImageOptions& options);

}  // namespace balmer::render
