#pragma once
// From a flux to one of 256 colours, the same on every device: see map2d.h.

#include "render/image_options.h"
#include "render/spectral_channels/spectral_channels_math.h"

namespace balmer::render {

inline constexpr double low_quantile = 0.01;  // of ColourRange::percentile
inline constexpr double high_quantile = 0.99;
inline constexpr double asinh_reach = 100.0;         // in units of the scatter
inline constexpr double deviation_per_mad = 1.4826;  // of a normal distribution

/// What the colours of one spectrum span: from `origin` on by `extent`, or with asinh the median
/// and the unit.
struct ColourSpan {
    double origin;
    double extent;
};

struct ColourScale {
    bool is_asinh = false;
    spectral::LevelTable starts = {};  ///< with asinh: colour k begins at entry k - 1

    /// The colour of a finite value. Linear: matplotlib 3.9's Normalize and Colormap.__call__ on
    /// f64.
    constexpr int index(double value, const ColourSpan& span) const {
        if (!(span.extent > 0)) return is_asinh ? 128 : 0;
        const double place = (value - span.origin) / span.extent;
        if (is_asinh) return static_cast<int>(spectral::level_of(starts.starts, place));
        const double scaled = place * 256.0;
        return scaled < 0 ? 0 : scaled >= 256 ? 255 : static_cast<int>(scaled);
    }
};

/// Computed on the host.
ColourScale colour_scale(const ImageOptions& options);

}  // namespace balmer::render
