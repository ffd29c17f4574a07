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

/// The channels of that name, in red.
std::vector<int> levels_of(TestSpectra& spectra, SpectralChannel channel,
                           MaskedPixels masked = MaskedPixels::bridge_short) {
    ImageOptions options;
    options.channels[0] = channel;
    options.masked = masked;
    SpectralChannels channels;
    std::vector<int> levels;
    for (const Pixel& pixel : channels.pixels(spectrum_row(spectra.batch(), 0, true), options)) {
        levels.push_back(pixel[0]);
    }
    return levels;
}

TEST(SpectralChannels, EveryOneCanStandInEveryColour) {
    using enum SpectralChannel;
    auto spectra = line_spectrum(900, 8.0, 1.0, 400, 8, 0.3);
    SpectralChannels channels;
    for (const auto channel : {shape, sharp_lines, broad_lines, flux, continuum,
                               continuum_normalised, derivative, inverse_variance, good_pixels}) {
        ImageOptions options;
        options.channels = {channel, none, channel};
        const auto levels = levels_of(spectra, channel);
        const auto pixels = channels.pixels(spectrum_row(spectra.batch(), 0, true), options);
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            ASSERT_EQ(pixels[i][0], levels[i]) << name_of(channel);
            ASSERT_EQ(pixels[i][1], 0);
            ASSERT_EQ(pixels[i][2], levels[i]) << name_of(channel);
        }
    }
}

TEST(SpectralChannels, FluxIsNotDenoisedAndTheContinuumHasNoLine) {
    auto spectra = line_spectrum(4691, 8.0, 2.0, 2000, 8, 3.0);
    const auto scatter = [](const std::vector<int>& levels) {
        double sum = 0;
        for (int i = 3001; i < 4000; ++i) sum += std::abs(levels[i] - levels[i - 1]);
        return sum / 999;
    };
    const auto flux = levels_of(spectra, SpectralChannel::flux);
    const auto shape = levels_of(spectra, SpectralChannel::shape);
    const auto continuum = levels_of(spectra, SpectralChannel::continuum);
    EXPECT_GT(scatter(flux), 5 * scatter(shape));
    EXPECT_LT(scatter(continuum), 0.5);
    EXPECT_GT(shape[2000], continuum[2000] + 20);
    EXPECT_NEAR(continuum[2000], continuum[1900], 3);
}

TEST(SpectralChannels, ContinuumNormalisedShowsContrastWhateverTheNoise) {
    auto spectra = line_spectrum(4691, 8.0, 1.0, 2000, 8, 0.0);
    auto levels = levels_of(spectra, SpectralChannel::continuum_normalised);
    EXPECT_NEAR(levels[2000], 255 * (std::asinh(1.0 / 0.1) + 4) / 8, 2);
    EXPECT_NEAR(levels[2500], neutral, 1);
    const auto clean = levels;
    for (float& weight : spectra.inverse_variance) weight = 1e-3F;
    levels = levels_of(spectra, SpectralChannel::continuum_normalised);
    EXPECT_NEAR(levels[2000], clean[2000], 1);
}

TEST(SpectralChannels, TheDerivativeChangesItsSignAtALine) {
    auto spectra = line_spectrum(4691, 8.0, 1.0, 2000, 8, 0.0);
    const auto levels = levels_of(spectra, SpectralChannel::derivative);
    // The steepest slope, 8 pixels away: exp(-1/2) / 8 of the continuum a pixel.
    const double steepest = std::asinh(std::exp(-0.5) / 8 / 0.1);
    EXPECT_NEAR(levels[1992], 255 * (4 + steepest) / 8, 2);
    EXPECT_NEAR(levels[2008], 255 * (4 - steepest) / 8, 2);
    EXPECT_NEAR(levels[2000], neutral, 1);
    spectra.inverse_variance[1993] = 0;
    EXPECT_EQ(levels_of(spectra, SpectralChannel::derivative)[1992], neutral);
}

TEST(SpectralChannels, InverseVarianceIsInUnitsOfItsMedian) {
    auto spectra = line_spectrum(1000, 8.0, 0.0, 0, 1, 0.0);
    spectra.inverse_variance.assign(1000, 7.0F);
    for (int i = 0; i < 100; ++i) spectra.inverse_variance[i] = 14.0F;
    for (int i = 100; i < 200; ++i) spectra.inverse_variance[i] = 0.0F;
    const auto levels = levels_of(spectra, SpectralChannel::inverse_variance);
    const auto expected = [](double weight) {
        return 255 * (std::asinh(4 * weight) / std::asinh(4.0) + 0.25) / 1.75;
    };
    EXPECT_NEAR(levels[50], expected(2.0), 1);
    EXPECT_EQ(levels[150], 0);
    EXPECT_NEAR(levels[500], expected(1.0), 1);
}

TEST(SpectralChannels, MaskedPixelsAreBridgedAsIsAskedFor) {
    auto spectra = line_spectrum(2000, 8.0, 0.0, 0, 1, 0.0);
    spectra.mask.assign(2000, 0);
    const auto mask = [&](int begin, int end) {
        std::fill(spectra.mask.begin() + begin, spectra.mask.begin() + end, 1);
    };
    mask(0, 20);
    mask(300, 364);
    mask(500, 565);
    mask(800, 1100);
    mask(1400, 1701);
    const auto drawn = [&](MaskedPixels masked) {
        const auto levels = levels_of(spectra, SpectralChannel::continuum, masked);
        const auto good = levels_of(spectra, SpectralChannel::good_pixels, masked);
        std::vector<bool> places;
        for (const int i : {10, 330, 530, 950, 1550}) {
            places.push_back(levels[i] != 0);
            EXPECT_EQ(good[i], 0) << i;
            if (levels[i] == 0) continue;
            EXPECT_NEAR(levels[i], levels[i > 400 ? 1300 : 400], 20) << i;
        }
        EXPECT_EQ(good[250], 255);
        return places;
    };
    using Places = std::vector<bool>;
    EXPECT_EQ(drawn(MaskedPixels::colour), (Places{false, false, false, false, false}));
    EXPECT_EQ(drawn(MaskedPixels::bridge_short), (Places{false, true, false, false, false}));
    EXPECT_EQ(drawn(MaskedPixels::interpolate), (Places{false, true, true, true, false}));
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
