// map2d, map2d-norm and map2d-deriv against numpy, scipy and matplotlib (golden/make_map2d.py), and
// what Balmer defines beyond them.

#include "render/map2d/map2d.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "render/map2d/colour_map.h"
#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

using nlohmann::json;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

/// A folder that golden/make_map2d.py wrote.
struct Goldens {
    json spectra;
    std::vector<float> flux;
    std::vector<double> wavelength;  ///< of observed spectra

    explicit Goldens(const std::string& folder)
        : flux(read<float>(folder + "/map2d_flux.f32")),
          wavelength(read<double>(folder + "/map2d_wavelength.f64")) {
        const auto more = read<float>(folder + "/map2d_roi_flux.f32");
        flux.insert(flux.end(), more.begin(), more.end());
        std::ifstream stream(folder + "/map2d.json");
        spectra = json::parse(stream).at("spectra");
    }

    TestSpectra spectrum(std::size_t start, const json& record) const {
        TestSpectra spectra;
        const std::size_t pixels = record.at("pixels");
        spectra.flux.assign(flux.begin() + start, flux.begin() + start + pixels);
        if (record.at("wavelength").is_null()) {
            spectra.wavelength.assign(wavelength.begin() + start,
                                      wavelength.begin() + start + pixels);
            return spectra;
        }
        const std::array<double, 3> w = record.at("wavelength");
        for (std::size_t i = 0; i < pixels; ++i) {
            const auto x = static_cast<double>(i);
            spectra.wavelength.push_back(w[0] + x * (w[1] + x * w[2]));
        }
        return spectra;
    }

  private:
    /// Nothing if there is no such file.
    template <class T>
    static std::vector<T> read(const std::string& path) {
        std::ifstream stream(path, std::ios::binary);
        const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
        std::vector<T> numbers(bytes.size() / sizeof(T));
        if (numbers.empty()) return numbers;
        std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(T));
        return numbers;
    }
};

ImageOptions reference_options(const json& image) {
    ImageOptions options;
    options.type = image.at("type");
    options.block_size = image.at("block_size");
    options.interpolate = image.at("interpolate");
    options.fill_order =
        image.at("fill_order") == "standard" ? FillOrder::standard : FillOrder::boustrophedon;
    options.use_mask = false;
    return image_options_from_map({{"colour_map", image.value("colour_map", "viridis")},
                                   {"range", image.value("range", "fixed")}},
                                  options);
}

/// Draws every image of the folder; how many.
int expect_equal_images(const Goldens& goldens) {
    std::size_t start = 0;
    int compared = 0;
    for (const auto& record : goldens.spectra) {
        TestSpectra spectra = goldens.spectrum(start, record);
        start += spectra.flux.size();
        for (const auto& image : record.at("images")) {
            std::vector<Context> contexts = {{}};
            // Every 21st on the devices too, under one schedule after the other.
            const auto devices = device_contexts();
            if (compared % 21 == 0 && !devices.empty()) {
                contexts.push_back(devices[compared / 21 % devices.size()]);
            }
            for (const Context& context : contexts) {
                const auto drawn = images_of(spectra, reference_options(image), context);
                const auto sum = crc32(0, drawn.data(), static_cast<uInt>(drawn.size()));
                EXPECT_EQ(sum, image.at("crc32"))
                    << record.at("name") << " " << image << " " << name_of(context.device);
            }
            ++compared;
        }
    }
    EXPECT_EQ(start, goldens.flux.size());
    return compared;
}

TEST(Map2d, EveryGoldenOfMatplotlibNumpyScipyAndPandasIsEqualBitForBit) {
    EXPECT_GT(expect_equal_images(Goldens(BALMER_TEST_DATA)), 1000);
}

TEST(Map2d, SoIsEveryGoldenOfObservedSpectra) {
    const char* folder = std::getenv("BALMER_MAP2D_GOLDENS");
    if (folder == nullptr) {
        GTEST_SKIP() << "BALMER_MAP2D_GOLDENS is unset: golden/make_map2d.py makes such a folder "
                        "from $BALMER_SPECTRA";
    }
    EXPECT_GT(expect_equal_images(Goldens(folder)), 0);
}

TEST(Map2d, TheRowCutByTheLowerEdgeStillShowsItsValues) {
    ImageOptions options;
    options.type = "map2d";
    TestSpectra spectra;
    spectra.flux.assign(5600, 0.0F);
    spectra.flux[5476] = 200.0F;
    spectra.flux[5549] = 200.0F;
    spectra.flux[5550] = 200.0F;
    const auto image = images_of(spectra, options);
    const auto& brightest = viridis[255];
    for (int y = 222; y < 224; ++y) {
        EXPECT_EQ(at(image, options, 0, y, 0), brightest[0]);
        EXPECT_EQ(at(image, options, 221, y, 0), brightest[0]);
        EXPECT_EQ(at(image, options, 222, y, 0), viridis[1][0]);
    }
    EXPECT_EQ(std::count(image.begin(), image.end(), brightest[0]), 2 * 3 * 2);
    EXPECT_EQ(lost_pixels(options, 5550), 0);
    EXPECT_EQ(lost_pixels(options, 5600), 50);
    options.type = "map2d-norm";
    EXPECT_EQ(lost_pixels(options, 5476), 0);
    EXPECT_EQ(lost_pixels(options, 5600), 124);
}

TEST(Map2d, MaskedPixelsAreDrawnAsZeroUnlessTheMaskIsIgnored) {
    ImageOptions options;
    options.type = "map2d";
    TestSpectra spectra;
    spectra.flux = {100.0F, 100.0F, 0.0F};
    spectra.mask = {0, 1, 0};
    auto image = images_of(spectra, options);
    EXPECT_EQ(at(image, options, 3, 0, 1), at(image, options, 6, 0, 1));
    EXPECT_NE(at(image, options, 3, 0, 1), at(image, options, 0, 0, 1));
    options.use_mask = false;
    image = images_of(spectra, options);
    EXPECT_EQ(at(image, options, 3, 0, 1), at(image, options, 0, 0, 1));
}

/// The colour of the value of an image with one block a value, as its number in the map.
int colour_number(const std::vector<std::uint8_t>& image, const ImageOptions& options, int slot) {
    const auto& table = find_colour_map(options.colour_map);
    const int x = slot % 224;
    const int y = slot / 224;
    for (int k = 0; k < 256; ++k) {
        bool is_equal = true;
        for (int c = 0; c < 3; ++c)
            is_equal = is_equal && at(image, options, x, y, c) == table[k][c];
        if (is_equal) return k;
    }
    return -1;
}

ImageOptions coloured(ColourRange range) {
    ImageOptions options;
    options.type = "map2d";
    options.block_size = 1;
    options.colour_map = "magma";  // without two equal colours
    options.range = range;
    return options;
}

TEST(Map2dColours, RangesOfTheSpectrumLeaveBadPixelsOut) {
    TestSpectra spectra;
    for (int i = 0; i <= 1000; ++i) spectra.flux.push_back(static_cast<float>(i));
    spectra.flux.insert(spectra.flux.end(), {1e9F, -1e9F, nan, infinity});
    spectra.mask.assign(spectra.flux.size(), 0);
    spectra.mask[1001] = spectra.mask[1002] = 1;
    ImageOptions options = coloured(ColourRange::minmax);
    auto image = images_of(spectra, options);
    for (const int i : {0, 1, 3, 4, 500, 999, 1000}) {
        EXPECT_EQ(colour_number(image, options, i), std::min(255, i * 256 / 1000)) << i;
    }
    options = coloured(ColourRange::percentile);
    image = images_of(spectra, options);
    for (const int i : {0, 10, 13, 500, 989, 990, 1000}) {
        EXPECT_EQ(colour_number(image, options, i), std::clamp((i - 10) * 256 / 980, 0, 255)) << i;
    }
}

TEST(Map2dColours, AsinhShowsTheScatterAndTheBrightestLine) {
    TestSpectra spectra;
    for (int i = 0; i <= 1000; ++i) spectra.flux.push_back(40.0F + static_cast<float>(i) / 500);
    spectra.flux[10] = 41.0F + 1e6F;
    spectra.flux[20] = 41.0F - 1e6F;
    const ImageOptions options = coloured(ColourRange::asinh);
    const auto image = images_of(spectra, options);
    const double unit = 1.4826 * 0.5;
    for (const int i : {0, 250, 480, 530, 1000}) {
        const double place = std::asinh((spectra.flux[i] - 41.0) / unit) / std::asinh(100.0);
        EXPECT_NEAR(colour_number(image, options, i), 128 + 128 * place, 1.1) << i;
    }
    EXPECT_EQ(colour_number(image, options, 10), 255);
    EXPECT_EQ(colour_number(image, options, 20), 0);
}

TEST(Map2dColours, Fault14AndFault17RangesWithoutExtentHaveOneColour) {
    for (const bool is_masked : {false, true}) {
        TestSpectra spectra;
        spectra.flux.assign(300, 12.5F);
        if (is_masked) spectra.mask.assign(300, 1);
        for (const auto range :
             {ColourRange::minmax, ColourRange::percentile, ColourRange::asinh}) {
            const ImageOptions options = coloured(range);
            const auto image = images_of(spectra, options);
            const int only = range == ColourRange::asinh ? 128 : 0;
            for (const int i : {0, 299, 300, 50175}) {
                EXPECT_EQ(colour_number(image, options, i), only) << name_of(range);
            }
        }
    }
}

TEST(Map2dNorm, MaskedPixelsTakeNoPartInTheRange) {
    ImageOptions options;
    TestSpectra spectra;
    spectra.flux = {1.0F, 2.0F, 3.0F, 1000.0F, -1000.0F};
    spectra.mask = {0, 0, 0, 1, 1};
    const auto image = images_of(spectra, options);
    EXPECT_EQ(at(image, options, 0, 0, 0), 0);
    EXPECT_EQ(at(image, options, 3, 0, 0), 127);
    EXPECT_EQ(at(image, options, 6, 0, 0), 255);
    EXPECT_EQ(at(image, options, 9, 0, 0), 0);
    EXPECT_EQ(at(image, options, 12, 0, 0), 0);
}

TEST(Map2dNorm, Fault15NotFiniteFluxCountsAsMasked) {
    for (const bool use_mask : {true, false}) {
        ImageOptions options;
        options.use_mask = use_mask;
        TestSpectra spectra;
        spectra.flux = {nan, 1.0F, infinity, 3.0F, -infinity};
        const auto image = images_of(spectra, options);
        for (const int x : {0, 3, 6, 12}) EXPECT_EQ(at(image, options, x, 0, 0), 0);
        EXPECT_EQ(at(image, options, 9, 0, 0), 255);
    }
}

TEST(Map2dNorm, Fault17ConstantFluxIsBlack) {
    TestSpectra spectra;
    spectra.flux.assign(4691, 12.5F);
    const auto image = images_of(spectra, {});
    EXPECT_EQ(std::count(image.begin(), image.end(), 0), 224 * 224 * 3);
}

TEST(Map2dNorm, InterpolationMasksSlotsNextToMaskedPixels) {
    ImageOptions options;
    options.image_size = 6;
    options.block_size = 1;
    options.interpolate = true;
    TestSpectra spectra;
    spectra.flux = {1.0F, 2.0F, 500.0F, 2.0F, 1.0F};
    spectra.mask = {0, 0, 1, 0, 0};
    spectra.wavelength = {0.0, 10.0, 20.0, 30.0, 35.0};  // slots lie one apart
    const auto image = images_of(spectra, options);
    for (int slot = 0; slot < 36; ++slot) {
        const int red = at(image, options, slot % 6, slot / 6, 0);
        if (slot <= 10) {
            EXPECT_NEAR(red, 255 * slot / 10, 1) << slot;
        } else if (slot <= 30) {
            EXPECT_EQ(red, 0) << slot;
        } else {
            EXPECT_NEAR(red, 255 - 51 * (slot - 30), 1) << slot;
        }
    }
}

/// Fluxes 0, 1, 4, 9, ...: gradients 1, 2, 4, ..., 2 n - 3 and 1, 1.5, 2, ..., 2, 1.
TestSpectra squares(int count) {
    TestSpectra spectra;
    for (int i = 0; i < count; ++i) spectra.flux.push_back(static_cast<float>(i * i));
    return spectra;
}

TEST(Map2dDeriv, GreenAndBlueAreTheGradientsFromMinimumToMaximum) {
    ImageOptions options;
    options.type = "map2d-deriv";
    TestSpectra spectra = squares(9);
    const auto image = images_of(spectra, options);
    const double first[] = {1, 2, 4, 6, 8, 10, 12, 14, 15};
    const double second[] = {1, 1.5, 2, 2, 2, 2, 2, 1.5, 1};
    for (int i = 0; i < 9; ++i) {
        EXPECT_EQ(at(image, options, 3 * i, 0, 0), 255 * i * i / 64) << i;
        EXPECT_EQ(at(image, options, 3 * i, 0, 1), static_cast<int>(255 * (first[i] - 1) / 14))
            << i;
        EXPECT_EQ(at(image, options, 3 * i, 0, 2), static_cast<int>(255 * (second[i] - 1))) << i;
    }
}

TEST(Map2dDeriv, Fault15BadPixelsTakeTheGradientsMadeOfThemAlong) {
    ImageOptions options;
    options.type = "map2d-deriv";
    TestSpectra masked = squares(20);
    masked.flux[10] = 1e6F;
    masked.mask.assign(20, 0);
    masked.mask[10] = 1;
    TestSpectra not_finite = squares(20);
    not_finite.flux[10] = nan;
    const auto image = images_of(masked, options);
    EXPECT_EQ(image, images_of(not_finite, options));
    for (int i = 1; i < 19; ++i) {
        EXPECT_EQ(at(image, options, 3 * i, 0, 1) == 0, i >= 9 && i <= 11) << i;
        EXPECT_EQ(at(image, options, 3 * i, 0, 2) == 0, i >= 8 && i <= 12) << i;
    }
}

TEST(Map2dDeriv, OnePixelAndConstantFluxAreBlack) {
    ImageOptions options;
    options.type = "map2d-deriv";
    for (const std::size_t pixels : {1, 2, 4691}) {
        TestSpectra spectra;
        spectra.flux.assign(pixels, 3.5F);
        const auto image = images_of(spectra, options);
        EXPECT_EQ(std::count(image.begin(), image.end(), 0), 224 * 224 * 3) << pixels;
    }
}

TEST(Map2dNorm, LengthsKeepPaddingOutOfTheImage) {
    TestSpectra padded;
    padded.count = 2;
    padded.flux = {5.0F, 7.0F, 9.0F, -100.0F, 1.0F, 2.0F, 100.0F, nan};
    padded.lengths = {3, 2};
    const auto both = images_of(padded, {});
    TestSpectra first;
    first.flux = {5.0F, 7.0F, 9.0F};
    TestSpectra second;
    second.flux = {1.0F, 2.0F};
    auto alone = images_of(first, {});
    const auto rest = images_of(second, {});
    alone.insert(alone.end(), rest.begin(), rest.end());
    EXPECT_EQ(both, alone);
}

TEST(Map2d, EveryBlockSizeFillsTheImage) {
    TestSpectra spectra;
    spectra.flux.assign(60000, 1.0F);
    spectra.flux[0] = 0.0F;
    for (int block = 1; block <= 30; ++block) {
        ImageOptions options;
        options.image_size = 30;
        options.block_size = block;
        const auto image = images_of(spectra, options);
        const int blocks = 30 / block;
        const int filled = (blocks * blocks - 1) * block * block;
        EXPECT_EQ(std::count(image.begin(), image.end(), 255), filled) << block;
    }
}

}  // namespace
}  // namespace balmer::render
