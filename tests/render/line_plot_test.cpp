// simple and overlap against matplotlib (golden/make_line_plot.py), and what Balmer defines beyond
// it.

#include "render/line_plot/line_plot.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

using nlohmann::json;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> read_numbers(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    std::vector<T> numbers(bytes.size() / sizeof(T));
    if (numbers.empty()) return numbers;
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(T));
    return numbers;
}

/// A spectrum of line_plot.json, drawn by matplotlib in every way its record lists.
struct Golden {
    json record;
    TestSpectra spectra;
};

std::vector<Golden> read_goldens(const std::string& folder) {
    const std::string own = folder + "/line_plot";
    const auto shared_flux = read_numbers<float>(std::string(BALMER_TEST_DATA) + "/map2d_flux.f32");
    const auto own_flux = read_numbers<float>(own + "_flux.f32");
    const auto own_wavelength = read_numbers<double>(own + "_wavelength.f64");
    std::ifstream stream(own + ".json");
    std::vector<Golden> goldens;
    std::size_t next = 0;
    const json file = json::parse(stream);
    for (const json& record : file.at("spectra")) {
        const std::size_t pixels = record.at("pixels");
        const bool is_own = record.at("flux") == "own";
        const auto& flux = is_own ? own_flux : shared_flux;
        const std::size_t first = is_own ? next : record.at("flux").get<std::size_t>();
        const json& w = record.at("wavelength");
        TestSpectra spectra;
        spectra.has_wavelength = !w.is_null();
        for (std::size_t i = 0; i < pixels; ++i) {
            spectra.flux.push_back(flux.at((first + i) % flux.size()));
            if (w == "own") {
                spectra.wavelength.push_back(own_wavelength.at(first + i));
            } else if (!w.is_null()) {
                const auto x = static_cast<double>(i);
                spectra.wavelength.push_back(w[0].get<double>() +
                                             x * (w[1].get<double>() + x * w[2].get<double>()));
            }
        }
        if (is_own) next += pixels;
        goldens.push_back({record, spectra});
    }
    return goldens;
}

/// On the CPU, and images of at most `device_side` pixels on the devices too, under one schedule
/// after the other.
void expect_matplotlibs_bytes(const std::string& folder, int device_side) {
    const auto devices = device_contexts();
    std::size_t compared = 0;
    for (Golden& golden : read_goldens(folder)) {
        SpectrumBatch batch = golden.spectra.batch();
        if (golden.record.at("wavelength").is_null()) batch.wavelength = {};
        for (const json& image : golden.record.at("images")) {
            ImageOptions options;
            options.type = image.at("type");
            options.image_size = image.at("image_size");
            options.use_mask = false;
            std::vector<Context> contexts = {{}};
            if (!devices.empty() && options.image_size <= device_side) {
                contexts.push_back(devices[compared % devices.size()]);
            }
            for (const Context& context : contexts) {
                const auto drawn = images_of(batch, options, context);
                EXPECT_EQ(crc32(0, drawn.data(), static_cast<uInt>(drawn.size())),
                          image.at("crc32"))
                    << golden.record.at("name") << " " << image << " " << name_of(context.device);
            }
            ++compared;
        }
    }
    EXPECT_GE(compared, 40U);
}

TEST(LinePlot, EveryGoldenOfMatplotlibIsEqualByteForByte) {
    expect_matplotlibs_bytes(BALMER_TEST_DATA, 64);
}

TEST(LinePlot, EveryGoldenOfRealSpectraIsEqualByteForByte) {
    const char* folder = std::getenv("BALMER_LINE_PLOT_GOLDENS");
    if (folder == nullptr) {
        GTEST_SKIP() << "BALMER_LINE_PLOT_GOLDENS names no folder written by make_line_plot.py";
    }
    expect_matplotlibs_bytes(folder, 0);
}

ImageOptions options_of(const char* type, int image_size = 64) {
    ImageOptions options;
    options.type = type;
    options.image_size = image_size;
    return options;
}

std::int64_t drawn_pixels(const std::vector<std::uint8_t>& image) {
    std::int64_t drawn = 0;
    for (std::size_t i = 0; i < image.size(); i += 3) {
        drawn += (image[i] & image[i + 1] & image[i + 2]) != 255 ? 1 : 0;
    }
    return drawn;
}

TEST(LinePlot, MaskedPixelsBreakTheLineAsNanDoes) {
    for (const char* type : {"simple", "overlap"}) {
        ImageOptions options = options_of(type);
        TestSpectra masked = line_spectrum(900, 3.0, 2.0, 300, 4, 0.3);
        TestSpectra with_nan = masked;
        masked.mask.assign(900, 0);
        for (std::size_t i = 0; i < 900; ++i) {
            if (i % 100 > 20 && i % 7 != 0) continue;
            masked.mask[i] = 1;
            with_nan.flux[i] = nan;
        }
        EXPECT_EQ(images_of(masked, options), images_of(with_nan, options)) << type;
        const TestSpectra unmasked = line_spectrum(900, 3.0, 2.0, 300, 4, 0.3);
        TestSpectra raw = unmasked;
        options.use_mask = false;
        EXPECT_EQ(images_of(masked, options), images_of(raw, options)) << type;
        EXPECT_NE(images_of(with_nan, options), images_of(raw, options)) << type;
    }
}

TEST(LinePlot, Fault12To14WithoutGoodPixelsTheImageIsWhite) {
    for (const char* type : {"simple", "overlap"}) {
        std::vector<TestSpectra> bad(4);
        bad[1].flux = {7.0F};
        bad[2].flux.assign(300, 3.0F);
        bad[2].mask.assign(300, 1);
        bad[3].flux = {nan, 1.0F, nan, 2.0F, nan, 3.0F, nan};  // no two neighbours
        for (TestSpectra& spectra : bad) {
            EXPECT_EQ(drawn_pixels(images_of(spectra, options_of(type))), 0) << type;
        }
    }
}

TEST(LinePlot, Fault15InfinitiesBreakTheLineAsNanDoes) {
    TestSpectra spectra = line_spectrum(200, 3.0, 2.0, 100, 4, 0.3);
    TestSpectra infinite = spectra;
    for (std::size_t i = 20; i < 60; ++i) {
        spectra.flux[i] = nan;
        infinite.flux[i] = i % 2 == 0 ? INFINITY : -INFINITY;
    }
    for (const char* type : {"simple", "overlap"}) {
        EXPECT_EQ(images_of(spectra, options_of(type)), images_of(infinite, options_of(type)));
    }
}

TEST(LinePlot, Fault17ConstantFluxIsAHorizontalLineInTheMiddle) {
    TestSpectra spectra;
    spectra.flux.assign(300, -7.0F);
    const ImageOptions options = options_of("simple");
    const auto image = images_of(spectra, options);
    for (int y = 0; y < 64; ++y) {
        EXPECT_EQ(at(image, options, 32, y, 0) < 255, y == 32) << y;
    }
}

TEST(LinePlot, WithoutWavelengthsXIsTheIndex) {
    TestSpectra spectra = line_spectrum(400, 3.0, 2.0, 100, 4, 0.3);
    for (int i = 0; i < 400; ++i) spectra.wavelength.push_back(i);
    const SpectrumBatch indexed = spectra.batch();
    SpectrumBatch without = indexed;
    without.wavelength = {};
    for (const char* type : {"simple", "overlap"}) {
        EXPECT_EQ(images_of(indexed, options_of(type)), images_of(without, options_of(type)));
    }
}

TEST(LinePlot, LengthsKeepPaddingOutOfTheImage) {
    TestSpectra padded = line_spectrum(300, 3.0, 2.0, 100, 4, 0.3);
    TestSpectra exact = padded;
    padded.flux.resize(340, 1e6F);
    padded.inverse_variance.clear();
    exact.inverse_variance.clear();
    padded.lengths = {300};
    for (const char* type : {"simple", "overlap"}) {
        EXPECT_EQ(images_of(padded, options_of(type)), images_of(exact, options_of(type)));
    }
}

TEST(LinePlot, OverlapDrawsRedGreenAndBlueInThisOrder) {
    TestSpectra spectra;
    for (int i = 0; i < 300; ++i) spectra.flux.push_back(static_cast<float>(i % 100));
    const ImageOptions options = options_of("overlap");
    const auto image = images_of(spectra, options);
    int blue_on_top = 0;
    for (std::size_t i = 0; i < image.size(); i += 3) {
        if (image[i] == 255 && image[i + 1] == 255 && image[i + 2] == 255) continue;
        blue_on_top += image[i + 2] > image[i] && image[i + 2] > image[i + 1] ? 1 : 0;
    }
    EXPECT_EQ(blue_on_top, drawn_pixels(image));
    EXPECT_GT(blue_on_top, 50);
}

TEST(LinePlot, EveryPixelFits) {
    EXPECT_EQ(lost_pixels(options_of("simple"), 1'000'000'000), 0);
    EXPECT_EQ(lost_pixels(options_of("overlap"), 1'000'000'000), 0);
}

}  // namespace
}  // namespace balmer::render
