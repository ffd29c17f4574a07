#pragma once
// The arithmetic of augmentation, a number or a pixel at a time; every device runs these functions.

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/core/random.h"
#include "render/augment/augment.h"

namespace balmer::render {

/// What the numbers of one spectrum in one epoch are a function of.
struct AugmentKey {
    std::uint64_t seed;
    std::uint64_t epoch;
    std::uint64_t row;
};

/// Apart from the streams of the same seed that shuffle batches and drop paths.
inline constexpr std::uint64_t augment_salt = 0x6175676D656E7400;
/// Draws of a whole spectrum come first, then one a pixel.
inline constexpr std::uint64_t first_pixel_draw = 64;

/// Two numbers, uniform in [0, 1).
inline std::array<double, 2> augment_uniforms(const AugmentKey& key, std::uint64_t draw) {
    const auto words = philox(key.seed ^ augment_salt, key.row, (key.epoch << 32) | draw);
    const auto uniform = [](std::uint32_t high, std::uint32_t low) {
        const std::uint64_t bits = (std::uint64_t{high} << 32) | low;
        return static_cast<double>(bits >> 11) * 0x1.0p-53;
    };
    return {uniform(words[1], words[0]), uniform(words[3], words[2])};
}

/// A standard normal number (Box-Muller).
inline double augment_normal(const AugmentKey& key, std::uint64_t draw) {
    const auto [u, v] = augment_uniforms(key, draw);
    return std::sqrt(-2.0 * std::log(1.0 - u)) * std::cos(2.0 * std::numbers::pi * v);
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

/// What happens to one spectrum.
struct AugmentDraw {
    std::int64_t shift = 0;     ///< pixels towards the red
    double log_scale = 0.0;     ///< ln of the factor at 5500 A
    double slope = 0.0;         ///< its power of wavelength
    double noise = 0.0;         ///< in units of a pixel's deviation
    std::uint32_t regions = 0;  ///< bit i: sky_regions[i] is masked
};

inline AugmentDraw draw_augmentation(const AugmentOptions& options, const AugmentKey& key) {
    AugmentDraw draw;
    const auto [where, amount] = augment_uniforms(key, 0);
    draw.shift =
        static_cast<std::int64_t>(std::floor(where * static_cast<double>(2 * options.shift + 1))) -
        options.shift;
    draw.noise = options.noise * amount;
    draw.log_scale = options.scale * augment_normal(key, 1);
    draw.slope = options.scale * augment_normal(key, 2);
    for (std::uint32_t i = 0; i < sky_regions.size(); ++i) {
        if (augment_uniforms(key, 3 + i)[0] < options.mask) draw.regions |= 1U << i;
    }
    return draw;
}

/// The factor of the flux at a wavelength (A).
inline float augment_factor(const AugmentDraw& draw, double wavelength) {
    return static_cast<float>(
        std::exp(draw.log_scale + draw.slope * std::log(wavelength / 5500.0)));
}

inline bool is_in_masked_region(const AugmentDraw& draw, double wavelength) {
    for (std::uint32_t i = 0; i < sky_regions.size(); ++i) {
        const bool is_inside =
            wavelength >= sky_regions[i].begin && wavelength <= sky_regions[i].end;
        if (is_inside && (draw.regions >> i & 1U) != 0) return true;
    }
    return false;
}

}  // namespace balmer::render
