// The channels of map2d-robust and patch-rows: lines stand out, noise does not, scale is free.

#include "render/spectral_channels/spectral_channels.h"

#include <gtest/gtest.h>

#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

constexpr int neutral = 128;

std::vector<Pixel> channels_of(TestSpectra& spectra, bool use_mask = true) {
    SpectralChannels channels;
    const auto pixels = channels.pixels(spectrum_row(spectra.batch(), 0, use_mask));
    return {pixels.begin(), pixels.end()};
}

TEST(SpectralChannels, ABareContinuumIsNeutral) {
    auto spectra = line_spectrum(4691, 8.0, 0.0, 0, 1, 0.0);
    for (const auto& pixel : channels_of(spectra)) {
        ASSERT_NEAR(pixel[1], neutral, 1);
        ASSERT_NEAR(pixel[2], neutral, 1);
    }
}

TEST(SpectralChannels, AnEmissionLineHasTheContrastItsHeightSays) {
    auto spectra = line_spectrum(4691, 8.0, 1.0, 2000, 8, 0.0);
    const auto pixels = channels_of(spectra);
    const double expected = 255 * (std::asinh(1.0 / 0.1) + 4) / 8;
    EXPECT_NEAR(pixels[2000][1], expected, 2);
    EXPECT_NEAR(pixels[2200][1], neutral, 1);
    EXPECT_NEAR(pixels[2000][2], 255 * (std::asinh(0.9 / 0.06) + 4) / 8, 3);
    EXPECT_GT(pixels[2000][0], pixels[1900][0] + 20);
}

TEST(SpectralChannels, ALineBelowThePixelNoiseShowsInBlue) {
    // At its top 0.8 sigma a pixel; summed over 13 pixels about two.
    int found = 0;
    for (int seed = 0; seed < 20; ++seed) {
        auto spectra = line_spectrum(4691, 1.0, 1.6, 3000, 6, 2.0, 100 + seed);
        const auto pixels = channels_of(spectra);
        found += pixels[3000][2] > neutral + 12 ? 1 : 0;  // 1.2 sigma
    }
    EXPECT_GE(found, 15);
}

TEST(SpectralChannels, NoiseHasUnitSignificance) {
    auto spectra = line_spectrum(4691, 1.0, 0.0, 0, 1, 2.0);
    double squares = 0;
    for (const auto& pixel : channels_of(spectra)) {
        const double significance = 3 * std::sinh(8.0 * pixel[2] / 255 - 4);
        squares += significance * significance;
    }
    EXPECT_NEAR(std::sqrt(squares / 4691), 1.0, 0.1);
    spectra.inverse_variance.clear();
    squares = 0;
    for (const auto& pixel : channels_of(spectra)) {
        const double significance = 3 * std::sinh(8.0 * pixel[2] / 255 - 4);
        squares += significance * significance;
    }
    EXPECT_NEAR(std::sqrt(squares / 4691), 1.0, 0.15) << "variance estimated from the flux";
}

TEST(SpectralChannels, NoiseIsNeverStretchedToTheWholeRange) {
    auto spectra = line_spectrum(4691, 1.0, 0.0, 0, 1, 20.0);  // S/N of 0.05 a pixel
    int far = 0;
    for (const auto& pixel : channels_of(spectra)) {
        far += std::abs(pixel[1] - neutral) > 56 || std::abs(pixel[2] - neutral) > 32 ? 1 : 0;
    }
    EXPECT_LT(far, 47) << "1 % of the pixels";
}

TEST(SpectralChannels, UnitsOfFluxDoNotMatter) {
    auto spectra = line_spectrum(4691, 4.0, 2.0, 1500, 5, 0.7);
    const auto pixels = channels_of(spectra);
    for (std::size_t i = 0; i < spectra.flux.size(); ++i) {
        spectra.flux[i] *= 0x1p-56F;
        spectra.inverse_variance[i] *= 0x1p112F;
    }
    EXPECT_EQ(channels_of(spectra), pixels);
}

TEST(SpectralChannels, HolesAreNeutralAndWhatWasNotObservedIsBlack) {
    auto spectra = line_spectrum(4691, 8.0, 0.0, 0, 1, 0.0);
    spectra.mask.assign(4691, 0);
    const auto hide = [&](int begin, int end) {
        std::fill(spectra.mask.begin() + begin, spectra.mask.begin() + end, 1);
        std::fill(spectra.flux.begin() + begin, spectra.flux.begin() + end, 1e6F);
    };
    hide(0, 300);
    hide(1000, 1064);
    hide(2000, 2065);
    hide(4690, 4691);
    const auto pixels = channels_of(spectra);
    EXPECT_EQ(pixels[0], Pixel{});
    EXPECT_EQ(pixels[299], Pixel{});
    EXPECT_EQ(pixels[2032], Pixel{});
    EXPECT_EQ(pixels[4690], Pixel{});
    for (const int i : {300, 999, 1000, 1032, 1063, 1999, 2065, 4689}) {
        EXPECT_NEAR(pixels[i][1], neutral, 1) << i;
        EXPECT_NEAR(pixels[i][2], neutral, 1) << i;
        EXPECT_GT(pixels[i][0], 150) << i;
    }
    EXPECT_NE(channels_of(spectra, false), pixels);
}

TEST(SpectralChannels, OneWildPixelHarmsOnlyItsNeighbourhood) {
    auto spectra = line_spectrum(4691, 8.0, 1.0, 2000, 6, 0.5);
    const auto clean = channels_of(spectra);
    spectra.flux[3500] = 1e30F;
    const auto pixels = channels_of(spectra);
    for (int i = 0; i < 4691; ++i) {
        if (std::abs(i - 3500) <= 310) continue;
        for (int c = 0; c < 3; ++c) ASSERT_NEAR(pixels[i][c], clean[i][c], 1) << i;
    }
}

TEST(SpectralChannels, Fault17ConstantFluxIsOneColour) {
    TestSpectra spectra;
    spectra.flux.assign(4691, 3.25F);
    const auto pixels = channels_of(spectra);
    EXPECT_NEAR(pixels[0][1], neutral, 1);
    for (const auto& pixel : pixels) ASSERT_EQ(pixel, pixels[0]);
}

TEST(SpectralChannels, PlaceholderVariancesOfARowCountAsUnknown) {
    auto spectra = line_spectrum(1000, 8.0, 1.0, 200, 6, 0.01);
    spectra.inverse_variance.assign(1000, 1.0F);
    spectra.flux.insert(spectra.flux.end(), spectra.flux.begin(), spectra.flux.end());
    spectra.inverse_variance.insert(spectra.inverse_variance.end(), 1000, 1.0F);
    spectra.count = 2;
    std::uint8_t known[] = {1, 0};
    auto batch = spectra.batch();
    batch.inverse_variance_known = View(known, DType::u8, {2});
    SpectralChannels channels;
    const auto peak = [&](int row) { return channels.pixels(spectrum_row(batch, row, true))[200]; };
    auto alone = line_spectrum(1000, 8.0, 1.0, 200, 6, 0.01);
    alone.inverse_variance.clear();
    EXPECT_EQ(peak(1), channels_of(alone)[200]);
    EXPECT_GT(peak(1)[2], peak(0)[2]);
}

TEST(SpectralChannels, Fault14NoGoodPixelIsBlack) {
    auto spectra = line_spectrum(500, 8.0, 1.0, 200, 6, 0.5);
    std::fill(spectra.inverse_variance.begin(), spectra.inverse_variance.end(), 0.0F);
    for (const auto& pixel : channels_of(spectra)) ASSERT_EQ(pixel, Pixel{});
}

TEST(Map2dRobust, PutsTheChannelsInBlocks) {
    auto spectra = line_spectrum(4691, 8.0, 1.0, 2000, 6, 0.5);
    const auto pixels = channels_of(spectra);
    ImageOptions options;
    options.type = "map2d-robust";
    const auto image = images_of(spectra, options);
    for (int i = 0; i < 5476; ++i) {
        const Pixel expected = i < 4691 ? pixels[i] : Pixel{};
        for (int c = 0; c < 3; ++c) {
            ASSERT_EQ(at(image, options, i % 74 * 3 + 1, i / 74 * 3 + 1, c), expected[c]) << i;
        }
    }
}

}  // namespace
}  // namespace balmer::render
