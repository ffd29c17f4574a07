#pragma once
// What a user can ask of an image: its type and the options of the types, as a value that is saved
// in a model's configuration and gives the same pixels wherever it is read back.

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "kernels/core/error.h"

namespace balmer::render {

/// Order in which values fill the rows of blocks: always left to right, or every second row (the
/// second, the fourth, ...) right to left, so that successive values stay neighbours.
enum class FillOrder : std::uint8_t { standard, boustrophedon };

/// "standard", "boustrophedon".
const char* name_of(FillOrder order);

/// What the colours of map2d span: see map2d.h.
enum class ColourRange : std::uint8_t { fixed, minmax, percentile, asinh };

/// "fixed", "minmax", "percentile", "asinh".
const char* name_of(ColourRange range);

/// What map2d-robust and patch-rows can show in a channel: see spectral_channels.h.
enum class SpectralChannel : std::uint8_t {
    shape,
    sharp_lines,
    broad_lines,
    flux,
    continuum,
    continuum_normalised,
    derivative,
    inverse_variance,
    good_pixels,
    none
};

/// "shape", "sharp-lines", "broad-lines", "flux", "continuum", "continuum-normalised",
/// "derivative", "inverse-variance", "good-pixels", "none".
const char* name_of(SpectralChannel channel);

/// How map2d-robust and patch-rows show bad pixels between good ones: in holes of up to 64 (short),
/// of up to 300 (interpolate) or in no hole (colour) as if the continuum had been observed; all
/// others are black.
enum class MaskedPixels : std::uint8_t { bridge_short, interpolate, colour };

/// "bridge-short", "interpolate", "colour".
const char* name_of(MaskedPixels masked);

/// Pixels a side.
inline constexpr int largest_image = 4096;

/// Options of all image types; a type ignores those that its description does not name.
struct ImageOptions {
    std::string type = "map2d-norm";  ///< one of image_types()
    int image_size = 224;             ///< S: pixels a side
    int block_size = 3;               ///< map2d*: pixels a side of the block that shows one value
    int patch_size = 16;  ///< patch-rows, patch output: the model's patch, divides image_size
    FillOrder fill_order = FillOrder::standard;
    /// map2d, -norm, -deriv, -roi: fill every slot by linear interpolation, evenly in wavelength;
    /// spectra with as many pixels as slots or more are drawn as they are. Needs wavelengths.
    bool interpolate = false;
    /// Leave masked pixels out (see each type). False ignores the mask, as the reference does.
    bool use_mask = true;
    std::string colour_map = "viridis";      ///< map2d: viridis, magma or gray
    ColourRange range = ColourRange::fixed;  ///< map2d: of the flux that the colours show
    double vmin = -1.13;   ///< map2d, fixed range: the flux that gets the first colour
    double vmax = 144.97;  ///< map2d, fixed range: the flux that gets the last colour
    /// map2d-robust, patch-rows: red, green and blue.
    std::array<SpectralChannel, 3> channels = {SpectralChannel::shape, SpectralChannel::sharp_lines,
                                               SpectralChannel::broad_lines};
    MaskedPixels masked = MaskedPixels::bridge_short;  ///< map2d-robust, patch-rows
    /// Floating-point outputs hold (pixel / 255 - mean) / standard_deviation for each channel.
    std::array<float, 3> mean = {0.5F, 0.5F, 0.5F};
    std::array<float, 3> standard_deviation = {0.5F, 0.5F, 0.5F};

    bool operator==(const ImageOptions&) const = default;
};

/// Throws UsageError if an option makes no sense; unknown names come with the known ones and the
/// nearest.
void validate(const ImageOptions& options);

/// Every option under its own name ("type", "image_size", ...; "mean" as "0.5,0.5,0.5"), numbers
/// in the shortest form that reads back to the same value.
std::map<std::string, std::string> to_map(const ImageOptions& options);

/// The options that `values` names, the others as in `defaults`. Throws UsageError for an unknown
/// key (suggesting the nearest), a value of the wrong kind, and whatever validate() refuses.
ImageOptions image_options_from_map(const std::map<std::string, std::string>& values,
                                    const ImageOptions& defaults = {});

}  // namespace balmer::render
