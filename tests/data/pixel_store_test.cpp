// data/pack: flux and inverse variance as f16 and bf16 keep what their documentation says.

#include "data/pack/pixel_store.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/pack/loader.h"
#include "data/pack/packed_set.h"
#include "tests/data/pack_test_support.h"

namespace balmer::data {
namespace {

/// A spectrum whose flux spans nine decades below `largest`, both signs, with masked pixels.
Spectrum wide_spectrum(int index, float largest) {
    Spectrum spectrum = sample_spectrum(index);
    for (std::size_t i = 0; i < spectrum.flux.size(); ++i) {
        const float decades = -9.0F * static_cast<float>(i) / 300.0F;
        spectrum.flux[i] = (i % 2 == 0 ? 1.0F : -0.7F) * largest * std::pow(10.0F, decades);
        if (spectrum.mask[i] == 0) spectrum.inverse_variance[i] = 1.0F / (largest * largest);
    }
    return spectrum;
}

const std::vector<float> scales = {1.0F, 3.0e5F, 1e-17F, 65504.0F, 2.5e-12F, 32768.0F};

void pack_wide(const std::string& folder, PixelStore store) {
    PackWriter writer(folder, {.spectra_per_shard = 4, .store = store});
    for (std::size_t i = 0; i < scales.size(); ++i) {
        writer.append(wide_spectrum(static_cast<int>(i), scales[i]));
    }
    writer.finish({"folder"}, {});
}

class PixelStores : public ::testing::TestWithParam<PixelStore> {};

TEST_P(PixelStores, KeepFluxToTheirPrecisionAndTheRestBitForBit) {
    const TemporaryFolder folder;
    pack_wide(folder.path(), GetParam());
    const PackedSet set(folder.path(), {.verify_checksums = true});
    EXPECT_EQ(verify_packed_set(folder.path()), std::vector<std::string>{});
    for (std::size_t i = 0; i < scales.size(); ++i) {
        SCOPED_TRACE(scales[i]);
        const Spectrum original = wide_spectrum(static_cast<int>(i), scales[i]);
        const Spectrum back = set.spectrum(static_cast<std::int64_t>(i));
        EXPECT_EQ(back.wavelength, original.wavelength);
        EXPECT_EQ(back.mask, original.mask);
        if (GetParam() == PixelStore::f32) {
            EXPECT_EQ(back.flux, original.flux);
            EXPECT_EQ(back.inverse_variance, original.inverse_variance);
            continue;
        }
        const float relative = GetParam() == PixelStore::f16 ? 0x1p-11F : 0x1p-8F;
        const float absolute = GetParam() == PixelStore::f16 ? scales[i] * 0x1p-39F : 0.0F;
        for (std::size_t k = 0; k < back.flux.size(); ++k) {
            ASSERT_NEAR(back.flux[k], original.flux[k],
                        relative * std::abs(original.flux[k]) + absolute)
                << k;
            ASSERT_NEAR(back.inverse_variance[k], original.inverse_variance[k],
                        0x1p-8F * original.inverse_variance[k]);
        }
    }
}

TEST_P(PixelStores, GiveTheLoaderWhatTheSetHolds) {
    const TemporaryFolder folder;
    pack_wide(folder.path(), GetParam());
    const PackedSet set(folder.path());
    const std::vector<std::int64_t> rows = {5, 0, 3};
    Batch batch;
    fill_batch(set, rows, Grid::native, batch);
    for (std::size_t b = 0; b < rows.size(); ++b) {
        const Spectrum spectrum = set.spectrum(rows[b]);
        for (std::int64_t i = 0; i < spectrum.pixels(); ++i) {
            const auto at = static_cast<std::size_t>(b) * batch.length + i;
            ASSERT_EQ(batch.flux[at], spectrum.flux[i]);
            ASSERT_EQ(batch.inverse_variance[at], spectrum.inverse_variance[i]);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, PixelStores,
                         ::testing::Values(PixelStore::f32, PixelStore::f16, PixelStore::bf16),
                         [](const auto& store) { return name_of(store.param); });

TEST(PixelStore, KeepsUsableWeightsUsable) {
    for (const float value : {1e-45F, 1e-38F, 3.4e38F, std::numeric_limits<float>::max()}) {
        const float stored = bfloat16(within_bfloat16(value));
        EXPECT_GT(stored, 0.0F);
        EXPECT_TRUE(std::isfinite(stored));
    }
    EXPECT_EQ(within_bfloat16(0.0F), 0.0F);
    EXPECT_EQ(within_bfloat16(2.0F), 2.0F);
}

TEST(PixelStore, ScalesByPowersOfTwoThatFitF16) {
    for (const float largest : {1.0F, 0.999F, 65504.0F, 3e38F, 1e-30F, 1e-44F}) {
        const std::vector<float> flux = {0.0F, -largest, largest / 2};
        const double scaled = std::ldexp(double{largest}, -flux_exponent(flux));
        EXPECT_LT(scaled, 32768.0) << largest;
        EXPECT_TRUE(scaled >= 16384.0 || largest <= 1e-30F) << largest;
    }
    EXPECT_EQ(flux_exponent({}), 0);
}

TEST(PixelStore, SmallStoresMakeSmallShards) {
    const TemporaryFolder whole;
    const TemporaryFolder half;
    pack_wide(whole.path(), PixelStore::f32);
    pack_wide(half.path(), PixelStore::f16);
    const auto bytes = [](const TemporaryFolder& folder) {
        return static_cast<double>(std::filesystem::file_size(folder / "shard-00000.safetensors"));
    };
    EXPECT_NEAR(bytes(half) / bytes(whole), 13.0 / 17.0, 0.07);
    EXPECT_EQ(bytes_per_pixel(PixelStore::f16), 13);
}

TEST(PixelStore, RefusesOtherNames) {
    EXPECT_EQ(pixel_store_named("bf16"), PixelStore::bf16);
    EXPECT_THROW(pixel_store_named("f8"), UsageError);
}

}  // namespace
}  // namespace balmer::data
