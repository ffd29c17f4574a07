// Image options, the table of types, the checks of render(), and its output layouts.

#include "render/image.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

template <class Action>
std::string usage_message(const Action& action) {
    try {
        action();
    } catch (const UsageError& error) {
        return error.what();
    }
    return "";
}

TEST(ImageOptions, SurviveTheWayThroughAMap) {
    ImageOptions options;
    options.type = "patch-rows";
    options.image_size = 96;
    options.block_size = 2;
    options.patch_size = 8;
    options.fill_order = FillOrder::boustrophedon;
    options.interpolate = true;
    options.use_mask = false;
    options.colour_map = "magma";
    options.range = ColourRange::asinh;
    options.channels = {SpectralChannel::continuum_normalised, SpectralChannel::none,
                        SpectralChannel::derivative};
    options.masked = MaskedPixels::interpolate;
    options.vmin = -1.0 / 3.0;
    options.vmax = 1e300;
    options.mean = {0.485F, 0.456F, 0.406F};
    options.standard_deviation = {0.229F, 0.224F, 0.225F};
    EXPECT_EQ(image_options_from_map(to_map(options)), options);
    EXPECT_EQ(image_options_from_map({}), ImageOptions{});
    EXPECT_EQ(image_options_from_map({{"block_size", "5"}}, options).patch_size, 8);
}

TEST(ImageOptions, Fault42UnknownNamesComeWithTheNearest) {
    std::string known;
    for (const auto& type : image_types())
        known += (known.empty() ? "" : ", ") + std::string(type.name);
    EXPECT_EQ(usage_message([] {
                  image_options_from_map({{"type", "map2d-nrm"}});
              }),
              "unknown image type 'map2d-nrm', did you mean 'map2d-norm'? Known: " + known);
    EXPECT_NE(usage_message([] {
                  image_options_from_map({{"blocksize", "3"}});
              }).find("did you mean 'block_size'?"),
              std::string::npos);
    EXPECT_EQ(usage_message([] {
                  image_options_from_map({{"colour_map", "viridsi"}});
              }),
              "unknown colour map 'viridsi', did you mean 'viridis'? Known: viridis, magma, gray");
    EXPECT_EQ(
        usage_message([] {
            image_options_from_map({{"range", "percentiles"}});
        }),
        "unknown colour range 'percentiles', did you mean 'percentile'? Known: fixed, minmax, "
        "percentile, asinh");
}

TEST(ImageOptions, Fault42ValuesThatMakeNoSenseAreRefused) {
    const std::map<std::string, std::string> bad[] = {
        {{"block_size", "0"}},
        {{"block_size", "225"}},
        {{"block_size", "3.5"}},
        {{"image_size", "0"}},
        {{"image_size", "5000"}},
        {{"image_size", "99999999999"}},
        {{"interpolate", "yes"}},
        {{"fill_order", "snake"}},
        {{"vmin", "200"}},
        {{"vmax", "nan"}},
        {{"channels", "flux,shape"}},
        {{"channels", "flux,shape,none,none"}},
        {{"channels", "flux,shape,lines"}},
        {{"masked", "bridged"}},
        {{"mean", "0.5,0.5"}},
        {{"mean", "0.5,0.5,0.5,0.5"}},
        {{"mean", "0.5,0.5,inf"}},
        {{"standard_deviation", "0.5,0,0.5"}},
        {{"type", "patch-rows"}, {"patch_size", "15"}},
    };
    for (const auto& values : bad) {
        EXPECT_THROW(image_options_from_map(values), UsageError) << values.begin()->first;
    }
}

TEST(ImageTypes, HaveDistinctNamesAndSummaries) {
    EXPECT_GE(image_types().size(), 4U);
    for (const auto& type : image_types()) {
        EXPECT_EQ(&find_image_type(type.name), &type);
        EXPECT_GT(std::string(type.summary).size(), 10U);
        EXPECT_GT(type.capacity({}), 5000);
    }
}

TEST(Render, FloatingOutputsAreTheNormalisedPixelsInPlanes) {
    ImageOptions options;
    options.mean = {0.485F, 0.456F, 0.406F};
    options.standard_deviation = {0.229F, 0.224F, 0.225F};
    TestSpectra spectra = line_spectrum(3000, 5.0, 3.0, 900, 4, 0.5);
    spectra.flux.resize(6000, 2.0F);
    spectra.inverse_variance.resize(6000, 1.0F);
    spectra.count = 2;
    for (const auto& type : image_types()) {
        options.type = type.name;
        const auto pixels = images_of(spectra, options);
        std::vector<float> planes(pixels.size());
        std::vector<bfloat16> short_planes(pixels.size());
        const Shape shape = {2, 3, 224, 224};
        render({}, options, spectra.batch(), View(planes.data(), DType::f32, shape));
        render({}, options, spectra.batch(), View(short_planes.data(), DType::bf16, shape));
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            const std::size_t channel = i % 3;
            const std::size_t image = i / (3 * 224 * 224);
            const std::size_t place = (i / 3) % (224 * 224);
            const float expected =
                (static_cast<float>(pixels[i]) / 255.0F - options.mean[channel]) /
                options.standard_deviation[channel];
            const std::size_t j = (image * 3 + channel) * 224 * 224 + place;
            ASSERT_EQ(planes[j], expected) << type.name << " " << i;
            ASSERT_EQ(short_planes[j].bits, bfloat16(expected).bits) << type.name << " " << i;
        }
    }
}

TEST(Render, ImagesDoNotDependOnTheNumberOfThreads) {
    TestSpectra spectra;
    spectra.count = 7;
    for (int i = 0; i < 7; ++i) {
        const auto one = line_spectrum(1000, 3.0 + i, 1.0, 100 * i, 5, 1.0, i);
        spectra.flux.insert(spectra.flux.end(), one.flux.begin(), one.flux.end());
    }
    for (const auto& type : image_types()) {
        ImageOptions options;
        options.type = type.name;
        Context one_thread;
        one_thread.threads = 1;
        Context three_threads;
        three_threads.threads = 3;
        EXPECT_EQ(images_of(spectra, options, one_thread),
                  images_of(spectra, options, three_threads))
            << type.name;
    }
}

// FAULTS 12-17: the renderer defines an image for every input.
TEST(Render, EveryTypeDrawsEveryKindOfBadSpectrum) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float huge = std::numeric_limits<float>::max();
    std::vector<TestSpectra> cases(10);
    cases[1].flux = {1.0F};
    cases[2].flux.assign(4691, nan);
    cases[3].flux.assign(4691, 0.0F);
    cases[4].flux.assign(4691, -7.0F);
    cases[5].flux.assign(100000, 1.0F);
    for (std::size_t i = 0; i < 100000; i += 3) cases[5].flux[i] = static_cast<float>(i % 1000);
    cases[6].flux.assign(300, huge);
    for (std::size_t i = 0; i < 300; i += 2) cases[6].flux[i] = -huge;
    cases[7].flux.assign(500, 3.0F);
    cases[7].mask.assign(500, 1);
    cases[8].flux.assign(500, 3.0F);
    cases[8].inverse_variance.assign(500, 0.0F);
    cases[9].flux.assign(500, 3.0F);
    cases[9].inverse_variance.assign(500, nan);
    for (std::size_t i = 0; i < 500; i += 2) cases[9].inverse_variance[i] = huge;
    for (const auto& type : image_types()) {
        for (auto& spectra : cases) {
            ImageOptions options;
            options.type = type.name;
            const auto image = images_of(spectra, options);
            EXPECT_EQ(image, images_of(spectra, options)) << type.name;
        }
    }
}

TEST(Render, WrongArgumentsAreNamed) {
    TestSpectra spectra;
    spectra.flux.assign(10, 1.0F);
    std::vector<std::uint8_t> pixels(224 * 224 * 3);
    const View output(pixels.data(), DType::u8, {1, 224, 224, 3});
    auto batch = spectra.batch();
    batch.flux.dtype = DType::f64;
    EXPECT_THROW(render({}, {}, batch, output), DTypeError);
    batch = spectra.batch();
    std::vector<std::uint8_t> mask(9);
    batch.mask = View(mask.data(), DType::u8, {1, 9});
    EXPECT_THROW(render({}, {}, batch, output), ShapeError);
    batch = spectra.batch();
    std::int64_t length = 11;
    batch.lengths = View(&length, DType::i64, {1});
    EXPECT_THROW(render({}, {}, batch, output), ShapeError);
    EXPECT_THROW(render({}, {}, spectra.batch(), View(pixels.data(), DType::u8, {1, 3, 224, 224})),
                 ShapeError);
    EXPECT_THROW(render({}, {}, spectra.batch(), View(pixels.data(), DType::i32, {1, 224, 56, 3})),
                 DTypeError);
    ImageOptions options;
    batch = spectra.batch();
    batch.wavelength = {};
    options.type = "map2d-roi";
    EXPECT_EQ(usage_message([&] { render({}, options, batch, output); }),
              "image type map2d-roi needs the wavelengths of the spectra");
    options.interpolate = true;
    EXPECT_EQ(usage_message([&] { render({}, options, batch, output); }),
              "image option interpolate needs the wavelengths of the spectra");
    Context elsewhere;
    elsewhere.device.type = DeviceType::simt;
    EXPECT_THROW(render(elsewhere, {}, spectra.batch(), output), DeviceError);
}

TEST(Render, AnEmptyBatchIsNoWork) {
    SpectrumBatch batch;
    batch.flux = View(nullptr, DType::f32, {0, 4691});
    EXPECT_NO_THROW(render({}, {}, batch, View(nullptr, DType::u8, {0, 224, 224, 3})));
}

}  // namespace
}  // namespace balmer::render
