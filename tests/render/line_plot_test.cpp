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

void expect_matplotlibs_bytes(const std::string& folder) {
    for (Golden& golden : read_goldens(folder)) {
        for (const json& image : golden.record.at("images")) {
            ImageOptions options;
            options.type = image.at("type");
            options.image_size = image.at("image_size");
            options.use_mask = false;
            const auto drawn = images_of(golden.spectra, options);
            EXPECT_EQ(crc32(0, drawn.data(), static_cast<uInt>(drawn.size())), image.at("crc32"))
                << golden.record.at("name") << " " << image;
        }
    }
}

TEST(LinePlot, EveryGoldenOfMatplotlibIsEqualByteForByte) {
    expect_matplotlibs_bytes(BALMER_TEST_DATA);
}

TEST(LinePlot, EveryGoldenOfRealSpectraIsEqualByteForByte) {
    const char* folder = std::getenv("BALMER_LINE_PLOT_GOLDENS");
    if (folder == nullptr) {
        GTEST_SKIP() << "BALMER_LINE_PLOT_GOLDENS names no folder written by make_line_plot.py";
    }
    expect_matplotlibs_bytes(folder);
}

}  // namespace
}  // namespace balmer::render
