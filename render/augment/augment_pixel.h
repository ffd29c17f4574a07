#pragma once
// The arithmetic of augmentation, a number or a pixel at a time; every device runs these functions
// and gets the same bits.

#include <array>
#include <cstdint>

#include "kernels/core/portable_math.h"
#include "kernels/core/random.h"
#include "render/augment/augment.h"

namespace balmer::render {

/// Apart from the streams of the same seed that shuffle batches and drop paths.
inline constexpr std::uint64_t augment_salt = 0x6175676D656E7400;
/// Draws of a whole spectrum come first, then one a pixel.
inline constexpr std::uint64_t first_pixel_draw = 64;

/// Two numbers, uniform in [0, 1).
constexpr std::array<double, 2> augment_uniforms(const AugmentDraw& draw, std::uint64_t number) {
    const auto words = philox(draw.seed ^ augment_salt, draw.row, (draw.epoch << 32) | number);
    const auto uniform = [](std::uint32_t high, std::uint32_t low) {
        const std::uint64_t bits = (std::uint64_t{high} << 32) | low;
        return static_cast<double>(bits >> 11) * 0x1.0p-53;
    };
    return {uniform(words[1], words[0]), uniform(words[3], words[2])};
}

/// A standard normal number is sqrt(radius_squared) cosine (Box-Muller).
struct NormalParts {
    double radius_squared;
    double cosine;
};

constexpr NormalParts augment_normal(const AugmentDraw& draw, std::uint64_t number) {
    const auto uniforms = augment_uniforms(draw, number);
    return {-2.0 * portable_log(1.0 - uniforms[0]), portable_cosine_of_turns(uniforms[1])};
}

/// A stretch of wavelengths (A, vacuum) where the sky shines or absorbs.
struct SkyRegion {
    double begin;
    double end;
};

/// Lines: Osterbrock et al. 1996, PASP 108, 277. Bands: OH 8-3, 9-4, 6-2, 7-3, 8-4, 9-5; oxygen B,
/// A; water 0.94 um.
inline constexpr std::array<SkyRegion, 13> sky_regions = {{{4355.0, 4364.0},
                                                           {5571.0, 5587.0},
                                                           {5888.0, 5902.0},
                                                           {6296.0, 6308.0},
                                                           {6360.0, 6371.0},
                                                           {6865.0, 6950.0},
                                                           {7240.0, 7420.0},
                                                           {7590.0, 7700.0},
                                                           {7710.0, 8060.0},
                                                           {8270.0, 8480.0},
                                                           {8740.0, 9110.0},
                                                           {9300.0, 9700.0},
                                                           {9710.0, 10200.0}}};

/// The factor of the flux at a wavelength (A).
constexpr float augment_factor(const AugmentDraw& draw, double wavelength) {
    return static_cast<float>(
        portable_exp(draw.log_scale + draw.slope * portable_log(wavelength / 5500.0)));
}

constexpr bool is_in_masked_region(const AugmentDraw& draw, double wavelength) {
    for (std::uint32_t i = 0; i < sky_regions.size(); ++i) {
        const bool is_inside =
            wavelength >= sky_regions[i].begin && wavelength <= sky_regions[i].end;
        if (is_inside && (draw.regions >> i & 1U) != 0) return true;
    }
    return false;
}

}  // namespace balmer::render
