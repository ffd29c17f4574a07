#pragma once
// Complementary views of one spectrum, a pixel each a colour channel. The first three, which an
// image has unless it is told otherwise, keep class and redshift readable from bright stars down to
// a signal-to-noise ratio of about one a pixel.
//
//   shape (red): the denoised flux s = c + e13 e13^2 / (e13^2 + 4 v13) in units of F, the 95th
//          percentile of |s| over the good pixels: asinh(4 s / F) / asinh(4) on -0.25..1.5. Zero
//          flux keeps one level, so that colours and breaks are seen whatever the brightness.
//   sharp-lines (green): asinh(e3 / sqrt((0.1 c)^2 + v3)) on -4..4. A line of 1 % moves three
//          levels, one of 270 % reaches the end.
//   broad-lines (blue), and faint ones: asinh(e13 / (3 sqrt((0.02 c)^2 + v13))) on -4..4. 13 pixels
//   are
//          about 900 km/s on the common grid.
//
//   flux, continuum: as shape, of the flux itself (c where it is bad) or of c.
//   continuum-normalised: asinh((flux / c - 1) / 0.1) on -4..4: the contrast whatever the noise.
//   derivative: asinh(d / sqrt((0.1 c)^2 + v)) on -4..4, d half the difference of the pixel's
//          neighbours, v its variance; 0 where one of them is bad.
//   inverse-variance: w in units of its median, on the levels of shape.
//   good-pixels: 255 where the pixel is good, else 0.
//   none: 0.
//
// c is the continuum; e_k is the mean of flux - c over the k pixels around, weighted with w, and
// v_k = 1 / sum w its variance. Where the noise is small green and blue show contrast (the same
// level for the same line whatever the brightness), where it is large they show significance:
// noise is never stretched to the whole range.
//
// w is the inverse variance (capped at ten times its median); where it is unknown, one over the
// local variance of neighbouring differences. c is a weighted straight-line fit in a window of
// 301 pixels around each pixel, repeated twice without the pixels that lie further than twice the
// local scatter from it. Flux beyond a thousand times the 95th percentile of |flux| is clipped.
// All window sums are differences of prefix sums: O(pixels). Every device draws the same bytes.
//
// A pixel is good when it is not masked, finite, and has a positive inverse variance (if known).
// Holes of up to 64 bad pixels (300 or none: MaskedPixels) show the neutral level of lines and the
// continuum's of shape; longer ones, and bad pixels at either end, are black: nothing was observed
// there. Spectra without good pixels are black, constant ones a uniform colour.

#include <cstdint>
#include <span>
#include <vector>

#include "render/host_rows.h"
#include "render/spectral_channels/spectral_channels_math.h"

namespace balmer::render {

/// The channels of one spectrum after another; holds scratch memory between calls. Not for use by
/// several threads at once.
class SpectralChannels {
  public:
    /// Red, green and blue of every pixel of `row`; valid until the next call.
    std::span<const Pixel> pixels(const SpectrumRow& row, const ImageOptions& options = {});

  private:
    void gather(const SpectrumRow& row);
    void estimate_weights();
    void fit_continuum();
    void reject_outliers();
    void draw(const spectral::ShownChannels& shown);

    bool weights_known_ = false;
    std::int64_t good_ = 0;
    std::vector<double> flux_;
    std::vector<double> weight_;      // 0 where bad
    std::vector<double> fit_weight_;  // 0 where bad or rejected
    std::vector<double> continuum_;
    std::vector<spectral::LineSums> line_sums_;
    std::vector<double> weight_sums_;
    std::vector<double> product_sums_;
    std::vector<float> sorted_;
    std::vector<Pixel> pixels_;
};

}  // namespace balmer::render
