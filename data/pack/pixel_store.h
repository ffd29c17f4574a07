#pragma once
// How flux and inverse variance stand in a shard. Wavelength (f64) and mask (u8) are the same in
// all stores.
//
//     store   flux                    inverse variance   bytes a pixel
//     f32     F32, bit for bit        F32, bit for bit   17
//     f16     F16 x 2^exponent        BF16               13
//     bf16    BF16                    BF16               13
//
// F16 has 11 bits of precision but reaches only from 6e-8 to 65504: counts of LAMOST are above it,
// fluxes in erg/s/cm2/A below. So each spectrum is scaled by a power of two (column
// `flux_exponent`, exact) that puts its largest |flux| just below 2^15: a flux is then within 2^-11
// of its value down to 2^-29 of the largest. BF16 keeps the range of F32 with 8 bits, 2^-8 of the
// value. Inverse variance is a weight that spans more than 11 decades between surveys and within
// one; 8 bits are ample for it and its range is not, so that both stores keep it as BF16. A usable
// pixel's stays above 0 and finite whatever it is.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace balmer::data {

enum class PixelStore : std::uint8_t { f32, f16, bf16 };

/// "f32", "f16", "bf16".
const char* name_of(PixelStore store);
/// The inverse; UsageError naming the three for anything else.
PixelStore pixel_store_named(const std::string& name);

/// Bytes of one pixel, wavelength and mask included.
std::int64_t bytes_per_pixel(PixelStore store);

/// The exponent with which F16 holds this flux (finite values).
std::int32_t flux_exponent(std::span<const float> flux);

/// An inverse variance that BF16 rounds to something finite, and above 0 if it was.
float within_bfloat16(float inverse_variance);

/// Memory into which pixels are converted; used again from spectrum to spectrum.
struct PixelScratch {
    std::vector<float> flux;
    std::vector<float> inverse_variance;
};

/// Stored numbers somewhere in a shard.
struct StoredPixels {
    PixelStore type = PixelStore::f32;
    const char* data = nullptr;
    std::size_t size = 0;

    /// Elements [begin, begin + count) times 2^exponent: where they are mapped if they are F32,
    /// else converted into `scratch`.
    std::span<const float> values(std::size_t begin, std::size_t count, std::int32_t exponent,
                                  std::vector<float>& scratch) const;
};

}  // namespace balmer::data
