// patch-rows: every patch is one stretch of wavelength, every pixel is seen, neighbours touch.

#include "render/patch_rows/patch_rows.h"

#include <gtest/gtest.h>

#include <set>

#include "render/spectral_channels/spectral_channels.h"
#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

ImageOptions patch_options() {
    ImageOptions options;
    options.type = "patch-rows";
    return options;
}

std::vector<Pixel> channels_of(TestSpectra& spectra) {
    SpectralChannels channels;
    const auto pixels = channels.pixels(spectrum_row(spectra.batch(), 0, true));
    return {pixels.begin(), pixels.end()};
}

Pixel pixel_at(const std::vector<std::uint8_t>& image, const ImageOptions& options, int x, int y) {
    Pixel pixel{};
    for (int c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(at(image, options, x, y, c));
    return pixel;
}

TEST(PatchRows, APatchOfTheCommonGridHoldsTwentyFourSuccessivePixels) {
    auto spectra = line_spectrum(4691, 5.0, 2.0, 1000, 5, 1.0);
    const auto pixels = channels_of(spectra);
    const auto options = patch_options();
    const auto image = images_of(spectra, options);
    for (int patch = 0; patch < 196; ++patch) {
        for (int y = 0; y < 16; ++y) {
            for (int x = 0; x < 16; ++x) {
                const int row = y < 5 ? 0 : y < 10 ? 1 : 2;
                const int column = row == 1 ? 7 - x / 2 : x / 2;
                const int i = patch * 24 + row * 8 + column;
                const Pixel expected = i < 4691 ? pixels[i] : Pixel{};
                ASSERT_EQ(pixel_at(image, options, patch % 14 * 16 + x, patch / 14 * 16 + y),
                          expected)
                    << "patch " << patch << " x " << x << " y " << y;
            }
        }
    }
}

TEST(PatchRows, NeighbouringPixelsTouchInsideAPatch) {
    for (const std::int64_t pixels : {1, 196, 197, 3000, 4691, 7781, 15011, 40000, 50176}) {
        const auto options = patch_options();
        auto spectra = line_spectrum(pixels, 5.0, 0.0, 0, 1, 3.0, 5);
        const auto colours = channels_of(spectra);
        const auto image = images_of(spectra, options);
        std::size_t found = 0;
        const std::int64_t per_patch = (pixels + 195) / 196;
        for (int patch = 0; patch < 196; ++patch) {
            const std::int64_t begin = std::min(pixels, patch * per_patch);
            const std::int64_t end = std::min(pixels, begin + per_patch);
            const std::set<Pixel> expected(colours.begin() + begin, colours.begin() + end);
            std::set<Pixel> drawn;
            std::set<std::pair<Pixel, Pixel>> touching;
            for (int y = 0; y < 16; ++y) {
                for (int x = 0; x < 16; ++x) {
                    const int left = patch % 14 * 16 + x;
                    const int top = patch / 14 * 16 + y;
                    const Pixel here = pixel_at(image, options, left, top);
                    if (here != Pixel{}) drawn.insert(here);
                    touching.insert({here, here});
                    if (x < 15) touching.insert({here, pixel_at(image, options, left + 1, top)});
                    if (x > 0) touching.insert({here, pixel_at(image, options, left - 1, top)});
                    if (y < 15) touching.insert({here, pixel_at(image, options, left, top + 1)});
                }
            }
            ASSERT_EQ(drawn, expected) << pixels << " patch " << patch;
            for (std::int64_t i = begin; i + 1 < end; ++i) {
                ASSERT_TRUE(touching.contains({colours[i], colours[i + 1]})) << pixels << " " << i;
            }
            found += drawn.empty() ? 0 : 1;
        }
        EXPECT_EQ(found, (pixels + per_patch - 1) / per_patch);
    }
}

TEST(PatchRows, MorePixelsThanPositionsAreAveraged) {
    ImageOptions options = patch_options();
    options.image_size = 8;
    options.patch_size = 4;  // 64 positions
    auto spectra = line_spectrum(130, 5.0, 3.0, 60, 5, 0.5);
    const auto colours = channels_of(spectra);
    const auto image = images_of(spectra, options);
    for (int c = 0; c < 3; ++c) {
        const int sum = colours[0][c] + colours[1][c] + colours[2][c];
        EXPECT_EQ(at(image, options, 0, 0, c), (sum + 1) / 3);
    }
    EXPECT_EQ(lost_pixels(options, 1000000), 0);
}

TEST(PatchRows, OtherPatchAndImageSizesSeeEveryPixel) {
    const std::pair<int, int> sizes[] = {{518, 14}, {384, 32}, {96, 8}, {224, 224}, {20, 5}};
    for (const auto& [image_size, patch_size] : sizes) {
        ImageOptions options = patch_options();
        options.image_size = image_size;
        options.patch_size = patch_size;
        auto spectra = line_spectrum(397, 5.0, 1.0, 100, 5, 2.0);
        const auto colours = channels_of(spectra);
        const auto image = images_of(spectra, options);
        std::set<Pixel> drawn;
        for (int y = 0; y < image_size; ++y) {
            for (int x = 0; x < image_size; ++x) drawn.insert(pixel_at(image, options, x, y));
        }
        for (const auto& colour : colours) {
            ASSERT_TRUE(drawn.contains(colour)) << image_size << " " << patch_size;
        }
    }
}

TEST(PatchRows, BoustrophedonReversesEverySecondRowOfPatches) {
    auto spectra = line_spectrum(4691, 5.0, 2.0, 1000, 5, 1.0);
    ImageOptions options = patch_options();
    const auto standard = images_of(spectra, options);
    options.fill_order = FillOrder::boustrophedon;
    const auto snake = images_of(spectra, options);
    for (int patch = 0; patch < 196; ++patch) {
        const int row = patch / 14;
        const int column = row % 2 == 1 ? 13 - patch % 14 : patch % 14;
        ASSERT_EQ(pixel_at(standard, options, patch % 14 * 16 + 3, row * 16 + 3),
                  pixel_at(snake, options, column * 16 + 3, row * 16 + 3));
    }
}

}  // namespace
}  // namespace balmer::render
