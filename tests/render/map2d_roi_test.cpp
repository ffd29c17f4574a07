// What map2d-roi makes of spectra that no reference defines, on the CPU and on every device. The
// goldens of scipy and pandas are drawn in map2d_test.cpp.

#include "render/roi/map2d_roi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

/// An image that shows every value in a pixel of its own.
ImageOptions roi_options() {
    ImageOptions options;
    options.type = "map2d-roi";
    options.block_size = 1;
    return options;
}

/// The values that lie in a region, after a look at what the devices draw.
std::set<std::int64_t> values_in_regions(TestSpectra& spectra,
                                         const ImageOptions& options = roi_options()) {
    const auto image = images_of(spectra, options);
    for (const Context& context : device_contexts()) {
        EXPECT_EQ(images_of(spectra, options, context), image)
            << kernels::testing::rerun({"device", context}, "*");
    }
    std::set<std::int64_t> values;
    for (std::int64_t i = 0; i < options.image_size * options.image_size; ++i) {
        const int green = image[3 * i + 1];
        if (green != 0) {
            EXPECT_EQ(green, 50);
            values.insert(i);
        }
    }
    return values;
}

/// `count` lines, 60 values apart from 60 on, on a continuum.
TestSpectra comb(int count, float continuum, float height) {
    TestSpectra spectra;
    spectra.flux.assign(60 * (count + 1), continuum);
    for (int line = 1; line <= count; ++line) {
        for (int k = -5; k <= 5; ++k) {
            spectra.flux[60 * line + k] += height * static_cast<float>(6 - std::abs(k));
        }
    }
    return spectra;
}

TEST(Map2dRoi, LinesAreRegionsAndTheContinuumIsNot) {
    TestSpectra spectra = comb(3, 100.0F, 2.0F);
    const auto values = values_in_regions(spectra);
    for (const int line : {60, 120, 180}) {
        for (int k = -3; k <= 3; ++k) EXPECT_TRUE(values.contains(line + k)) << line << " " << k;
        for (int k = 20; k <= 40; ++k) EXPECT_FALSE(values.contains(line + k)) << line << " " << k;
    }
    EXPECT_LT(values.size(), 3U * 21);
}

TEST(Map2dRoi, OfEqualRegionsTheFirst50AreShown) {
    TestSpectra spectra = comb(70, 100.0F, 0.75F);  // the dips beside a line stay below 1.5
    const auto values = values_in_regions(spectra);
    for (int line = 1; line <= 70; ++line) {
        EXPECT_EQ(values.contains(60 * line), line <= 50) << line;
        EXPECT_FALSE(values.contains(60 * line + 12)) << line;
    }
}

TEST(Map2dRoi, TheWidestAreShownWhereverTheyStand) {
    TestSpectra spectra = comb(70, 100.0F, 0.75F);
    for (int line = 1; line <= 70; line += 2) spectra.flux[60 * line] += 8.0F;
    for (int line = 60; line <= 70; ++line) spectra.flux[60 * line + 1] += 4.0F;
    const auto values = values_in_regions(spectra);
    for (int line = 1; line <= 70; ++line) {
        // 41 are higher; of the 29 others the first 9.
        const bool is_higher = line % 2 == 1 || line >= 60;
        EXPECT_EQ(values.contains(60 * line), is_higher || line <= 18) << line;
    }
}

TEST(Map2dRoi, WidthsAreIntegralsOverWavelength) {
    TestSpectra spectra = comb(51, 100.0F, 0.75F);
    EXPECT_FALSE(values_in_regions(spectra).contains(60 * 51));
    // The last line spreads over twice the wavelength of any other.
    for (std::size_t i = 60 * 51 - 30; i < spectra.flux.size(); ++i) {
        spectra.wavelength[i] += static_cast<double>(i - (60 * 51 - 30));
    }
    const auto values = values_in_regions(spectra);
    EXPECT_TRUE(values.contains(60 * 51));
    EXPECT_FALSE(values.contains(60 * 50));
}

TEST(Map2dRoi, AMedianOfZeroGivesInfiniteWidths) {
    TestSpectra spectra = comb(60, 100.0F, 0.75F);
    for (std::size_t i = 60 * 55 - 30; i < spectra.flux.size(); ++i) spectra.flux[i] -= 100.0F;
    const auto values = values_in_regions(spectra);
    for (int line = 1; line <= 60; ++line) {
        // Six lines on zero flux, and a region on either side of the step down to it.
        EXPECT_EQ(values.contains(60 * line), line <= 42 || line >= 55) << line;
    }
    for (float& flux : spectra.flux) flux = -flux;  // zeros of either sign
    EXPECT_EQ(values_in_regions(spectra), values);
}

TEST(Map2dRoi, FewerThan50ValuesHaveNoRegion) {
    for (const int pixels : {0, 1, 2, 24, 25, 26, 49}) {
        TestSpectra spectra = comb(3, 100.0F, 9.0F);
        spectra.wavelength.clear();
        spectra.flux.resize(pixels);
        EXPECT_TRUE(values_in_regions(spectra).empty()) << pixels;
    }
    TestSpectra spectra;
    spectra.flux.assign(50, 100.0F);
    for (int i = 20; i < 31; ++i) spectra.flux[i] = 300.0F;
    EXPECT_EQ(values_in_regions(spectra), std::set<std::int64_t>{25});
}

TEST(Map2dRoi, Fault15BadValuesLeaveNoRegionIn37ToEitherSide) {
    const auto all = [] {
        TestSpectra spectra = comb(20, 100.0F, 2.0F);
        return values_in_regions(spectra);
    }();
    for (const float bad : {nan, infinity, -infinity, 1e30F}) {
        TestSpectra spectra = comb(20, 100.0F, 2.0F);
        spectra.flux[600] = bad;
        ImageOptions options = roi_options();
        if (std::isfinite(bad)) {
            spectra.mask.assign(spectra.flux.size(), 0);
            spectra.mask[600] = 1;
        }
        std::set<std::int64_t> expected;
        for (const std::int64_t i : all) {
            if (i < 600 - 36 || i > 600 + 37) expected.insert(i);
        }
        EXPECT_EQ(values_in_regions(spectra, options), expected) << bad;
    }
}

TEST(Map2dRoi, Fault14AndFault17AllMaskedAndConstantSpectraAreBlack) {
    TestSpectra masked = comb(5, 100.0F, 9.0F);
    masked.mask.assign(masked.flux.size(), 1);
    TestSpectra constant;
    constant.flux.assign(4691, -3.25F);
    for (TestSpectra* spectra : {&masked, &constant}) {
        const auto image = images_of(*spectra, roi_options());
        EXPECT_EQ(std::count(image.begin(), image.end(), 0), 224 * 224 * 3);
        EXPECT_TRUE(values_in_regions(*spectra).empty());
    }
}

TEST(Map2dRoi, LongSpectraAreSearchedToTheirEnd) {
    TestSpectra spectra;
    spectra.flux.assign(100'000, 100.0F);
    for (std::size_t i = 0; i < spectra.flux.size(); ++i) {
        spectra.flux[i] += static_cast<float>(i % 1000) * 2.0F;  // a slope is a region too
    }
    for (int k = -5; k <= 5; ++k) spectra.flux[40'000 + k] += 5e4F;
    const ImageOptions options = roi_options();
    const auto image = images_of(spectra, options);
    EXPECT_EQ(at(image, options, 40'000 % 224, 40'000 / 224, 1), 50);
    const Context context = device_contexts().front();
    EXPECT_EQ(images_of(spectra, options, context), image);
}

TEST(Map2dRoi, InterpolatedSpectraHaveTheRegionsOfTheirInterpolatedFlux) {
    TestSpectra spectra = comb(4, 100.0F, 5.0F);  // 300 pixels
    ImageOptions options = roi_options();
    options.image_size = 25;
    options.interpolate = true;
    spectra.batch();  // wavelengths
    TestSpectra by_hand;
    for (int i = 0; i < 625; ++i) {
        const double x = i * 299.0 / 624.0;
        const int lower = std::min(298, static_cast<int>(x));
        const double step = spectra.flux[lower + 1] - spectra.flux[lower];
        by_hand.flux.push_back(static_cast<float>(spectra.flux[lower] + step * (x - lower)));
        by_hand.wavelength.push_back(3600.0 + x);
    }
    const auto values = values_in_regions(spectra, options);
    EXPECT_GT(values.size(), 20U);
    options.interpolate = false;
    EXPECT_EQ(values, values_in_regions(by_hand, options));
}

TEST(Map2dRoi, RowsOfABatchDoNotDisturbEachOther) {
    TestSpectra batch;
    batch.count = 7;
    std::set<std::int64_t> first;
    for (int row = 0; row < 7; ++row) {
        TestSpectra one = comb(6, 50.0F * static_cast<float>(row), 1.0F + static_cast<float>(row));
        if (row == 0) first = values_in_regions(one);
        batch.flux.insert(batch.flux.end(), one.flux.begin(), one.flux.end());
        batch.lengths.push_back(row == 3 ? 30 : 420 - row);
    }
    batch.lengths[0] = 420;
    EXPECT_EQ(values_in_regions(batch), first);
}

}  // namespace
}  // namespace balmer::render
