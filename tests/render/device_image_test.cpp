// Every image type on every device: the bytes of the CPU's images, whatever the spectra, the
// options and the output.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>

#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

/// Spectra as they come: several lengths, masked stretches, bad numbers, absent variances.
struct Survey {
    std::vector<float> flux;
    std::vector<std::uint8_t> mask;
    std::vector<float> inverse_variance;
    std::vector<std::uint8_t> known;
    std::vector<double> wavelength;
    std::vector<std::int64_t> lengths;
    SpectrumBatch batch;

    Survey(std::int64_t width, std::vector<std::int64_t> row_lengths)
        : lengths(std::move(row_lengths)) {
        const auto count = static_cast<std::int64_t>(lengths.size());
        Random random(7);
        for (std::int64_t row = 0; row < count; ++row) {
            const auto line =
                line_spectrum(width, 3.0, 2.0, 0.4 * static_cast<double>(width), 4, 0.4, row);
            for (std::int64_t i = 0; i < width; ++i) {
                const bool is_masked = (i > width / 3 && i < width / 3 + 9 * row) || i % 97 == 5;
                const bool is_bad = row % 3 == 1 && i % 41 == 3;
                flux.push_back(is_bad ? (i % 2 == 0 ? nan : -infinity) : line.flux[i]);
                mask.push_back(is_masked ? 1 : 0);
                inverse_variance.push_back(i % 53 == 1 ? 0.0F : line.inverse_variance[i]);
                wavelength.push_back(3600.0 + static_cast<double>(i) * (1.0 + 1e-4 * i));
            }
            known.push_back(row % 2 == 0 ? 1 : 0);
        }
        const Shape shape = {count, width};
        batch.flux = View(flux.data(), DType::f32, shape);
        batch.mask = View(mask.data(), DType::u8, shape);
        batch.inverse_variance = View(inverse_variance.data(), DType::f32, shape);
        batch.inverse_variance_known = View(known.data(), DType::u8, {count});
        batch.wavelength = View(wavelength.data(), DType::f64, shape);
        batch.lengths = View(lengths.data(), DType::i64, {count});
    }
};

struct Case {
    const char* name;
    std::int64_t width;
    std::vector<std::int64_t> lengths;
    ImageOptions options = {};
    bool has_variances = true;
};

ImageOptions small(int image_size, int block_size, int patch_size) {
    ImageOptions options;
    options.image_size = image_size;
    options.block_size = block_size;
    options.patch_size = patch_size;
    options.vmax = 9.0;
    options.mean = {0.485F, 0.456F, 0.406F};
    options.standard_deviation = {0.229F, 0.224F, 0.225F};
    return options;
}

std::vector<Case> cases() {
    std::vector<Case> result = {
        {"Lengths", 500, {500, 0, 1, 2, 33, 499}, small(48, 2, 16)},
        {"OddSide", 300, {300, 299}, small(33, 2, 11)},
        {"LastRowCut", 300, {300}, small(32, 3, 8)},
        {"OneBlock", 40, {40, 7}, small(16, 16, 16)},
        {"MoreThanFits", 700, {700, 257, 256, 255}, small(16, 1, 8)},
        {"Snake", 400, {400, 380}, small(40, 2, 8)},
        {"Interpolated", 350, {350, 1, 2, 0, 170}, small(40, 2, 8)},
        {"InterpolatedMaskIgnored", 350, {350, 170}, small(40, 2, 8)},
        {"NoVariances", 900, {900, 640}, small(64, 2, 16), false},
        {"OnePixel", 1, {1, 0}, small(8, 4, 4)},
    };
    result[5].options.fill_order = FillOrder::boustrophedon;
    result[6].options.interpolate = true;
    result[7].options.interpolate = true;
    result[7].options.use_mask = false;
    return result;
}

std::ostream& operator<<(std::ostream& stream, const Case& item) {
    return stream << item.name;
}

class DeviceImages : public ::testing::TestWithParam<Case> {};

template <class T>
void expect_same_bytes(const SpectrumBatch& batch, const ImageOptions& options) {
    const std::vector<T> expected = images_of<T>(batch, options);
    for (const Context& context : device_contexts()) {
        const std::vector<T> actual = images_of<T>(batch, options, context);
        ASSERT_EQ(actual.size(), expected.size());
        const auto differs = [&](std::size_t i) {
            return std::memcmp(&actual[i], &expected[i], sizeof(T)) != 0;
        };
        std::size_t different = 0;
        for (std::size_t i = 0; i < actual.size(); ++i) different += differs(i) ? 1 : 0;
        EXPECT_EQ(different, 0U) << options.type << " " << name_of(dtype_of_v<T>)
                                 << kernels::testing::rerun({"device", context}, "*");
    }
}

TEST_P(DeviceImages, HaveTheBytesOfTheCpu) {
    const Case& item = GetParam();
    Survey survey(item.width, item.lengths);
    if (!item.has_variances) survey.batch.inverse_variance = {};
    ImageOptions options = item.options;
    for (const auto& type : image_types()) {
        options.type = type.name;
        expect_same_bytes<std::uint8_t>(survey.batch, options);
        expect_same_bytes<bfloat16>(survey.batch, options);
        expect_same_bytes<float>(survey.batch, options);
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, DeviceImages, ::testing::ValuesIn(cases()),
                         [](const auto& item) { return item.param.name; });

/// One spectrum of the common grid, in the size that models take.
TEST(DeviceImage, OfTheCommonGridHasTheBytesOfTheCpu) {
    TestSpectra spectra = line_spectrum(4691, 5.0, 2.0, 1000, 5, 1.0);
    for (const char* type : {"map2d-deriv", "map2d-roi", "map2d-robust", "patch-rows"}) {
        ImageOptions options;
        options.type = type;
        expect_same_bytes<bfloat16>(spectra.batch(), options);
    }
}

/// FAULTS 12-17, as Render.EveryTypeDrawsEveryKindOfBadSpectrum.
TEST(DeviceImage, EveryKindOfBadSpectrumHasTheBytesOfTheCpu) {
    const float huge = std::numeric_limits<float>::max();
    std::vector<TestSpectra> bad(8);
    bad[0].flux.assign(300, nan);
    bad[1].flux.assign(300, 0.0F);
    bad[2].flux.assign(300, -7.0F);
    bad[3].flux.assign(300, huge);
    for (std::size_t i = 0; i < 300; i += 2) bad[3].flux[i] = -huge;
    bad[4].flux.assign(300, 3.0F);
    bad[4].mask.assign(300, 1);
    bad[5].flux.assign(300, 3.0F);
    bad[5].inverse_variance.assign(300, 0.0F);
    bad[6].flux.assign(300, 3.0F);
    bad[6].inverse_variance.assign(300, nan);
    for (std::size_t i = 0; i < 300; i += 2) bad[6].inverse_variance[i] = huge;
    bad[7] = line_spectrum(300, 1e-20, 3.0, 100, 3, 1e-21);
    for (auto& spectra : bad) {
        for (const auto& type : image_types()) {
            ImageOptions options = small(32, 2, 8);
            options.type = type.name;
            expect_same_bytes<std::uint8_t>(spectra.batch(), options);
        }
    }
}

/// FAULTS 12-17: far more pixels than places. map2d-roi: see Map2dRoi.
TEST(DeviceImage, OfAHundredThousandPixelsHasTheBytesOfTheCpu) {
    TestSpectra spectra = line_spectrum(100'000, 5.0, 2.0, 99'000, 5, 1.0);
    for (const char* type : {"map2d", "map2d-norm", "map2d-deriv"}) {
        ImageOptions options = small(64, 1, 8);
        options.type = type;
        options.range = ColourRange::asinh;
        expect_same_bytes<std::uint8_t>(spectra.batch(), options);
    }
}

TEST(DeviceImage, OfEveryColourRangeHasTheBytesOfTheCpu) {
    Survey survey(400, {400, 0, 1, 2, 250, 399});
    for (const auto range : {ColourRange::minmax, ColourRange::percentile, ColourRange::asinh}) {
        ImageOptions options = small(40, 2, 8);
        options.type = "map2d";
        options.colour_map = "gray";
        options.range = range;
        for (const bool is_changed : {false, true}) {
            options.interpolate = is_changed;
            options.use_mask = !is_changed;
            expect_same_bytes<std::uint8_t>(survey.batch, options);
        }
    }
}

TEST(DeviceImage, OfEveryChannelHasTheBytesOfTheCpu) {
    using enum SpectralChannel;
    const std::array<SpectralChannel, 3> triples[] = {
        {flux, continuum, continuum_normalised},
        {derivative, inverse_variance, good_pixels},
        {none, broad_lines, shape},
    };
    Survey survey(700, {700, 0, 1, 640});
    ImageOptions options = small(48, 2, 8);
    for (const auto& triple : triples) {
        options.channels = triple;
        for (const auto masked : {MaskedPixels::colour, MaskedPixels::interpolate}) {
            options.masked = masked;
            options.type = masked == MaskedPixels::colour ? "map2d-robust" : "patch-rows";
            expect_same_bytes<std::uint8_t>(survey.batch, options);
        }
    }
}

/// More than the blocks that draw the channels, each of which then takes several.
TEST(DeviceImage, OfManySpectraHaveTheBytesOfTheCpu) {
    Survey survey(40, std::vector<std::int64_t>(20, 40));
    // What a block draws last reads far pixels, which the block's next spectrum must not replace.
    for (std::size_t i = 0; i < survey.mask.size(); ++i) {
        survey.mask[i] = i / 40 % 5 == 0 && i % 40 < 36 ? 1 : 0;
    }
    ImageOptions options = small(8, 1, 4);
    options.type = "map2d-robust";
    expect_same_bytes<std::uint8_t>(survey.batch, options);
}

/// Lines whose vertices the simplification joins in hundreds, next to others, broken and whole; and
/// images so small that strokes leave them.
TEST(DeviceImage, OfLinesSmoothAndRoughHaveTheBytesOfTheCpu) {
    constexpr std::int64_t pixels = 1500;
    TestSpectra spectra;
    spectra.count = 5;
    for (std::int64_t i = 0; i < pixels; ++i) spectra.flux.push_back(0.01F * static_cast<float>(i));
    for (std::int64_t i = 0; i < pixels; ++i) spectra.flux.push_back(3.0F);
    for (std::int64_t i = 0; i < pixels; ++i) spectra.flux.push_back(i % 700 < 300 ? 1.0F : nan);
    for (std::int64_t i = 0; i < pixels; ++i) {
        spectra.flux.push_back(i < 500 ? static_cast<float>(i % 2) : 0.5F);
    }
    const auto rough = line_spectrum(pixels, 3.0, 2.0, 700, 40, 0.01);
    spectra.flux.insert(spectra.flux.end(), rough.flux.begin(), rough.flux.end());
    for (const char* type : {"simple", "overlap"}) {
        for (const int side : {1, 5, 40}) {
            ImageOptions options = small(side, 1, 1);
            options.type = type;
            expect_same_bytes<std::uint8_t>(spectra.batch(), options);
        }
    }
}

TEST(DeviceImage, LengthsThatCannotBeAreCut) {
    Survey survey(60, {60, 60});
    ImageOptions options = small(16, 2, 8);
    survey.lengths = {60, 0};
    const auto expected = images_of(survey.batch, options);
    survey.lengths = {61, -5};
    for (const Context& context : device_contexts()) {
        EXPECT_EQ(images_of(survey.batch, options, context), expected);
    }
}

TEST(DeviceImage, AnEmptyBatchIsNoWork) {
    for (const Context& context : device_contexts()) {
        SpectrumBatch batch;
        batch.flux = View(nullptr, DType::f32, {0, 4691}, context.device);
        EXPECT_NO_THROW(
            render(context, {}, batch, View(nullptr, DType::u8, {0, 224, 224, 3}, context.device)));
    }
}

}  // namespace
}  // namespace balmer::render
