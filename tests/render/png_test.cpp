// PNG files: what is written reads back, whole or not at all.

#include "render/png.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#include <stb/stb_image.h>

#include "tests/render/spectra.h"
#include "tests/temporary_folder.h"

namespace balmer::render {
namespace {

namespace fs = std::filesystem;

class Png : public testing::Test {
  protected:
    TemporaryFolder folder_;
};

std::vector<std::uint8_t> read_png(const std::string& path, int& width, int& height) {
    int channels = 0;
    std::uint8_t* data = stbi_load(path.c_str(), &width, &height, &channels, 3);
    if (data == nullptr || channels != 3) return {};
    std::vector<std::uint8_t> pixels(data, data + std::size_t{3} * width * height);
    stbi_image_free(data);
    return pixels;
}

TEST_F(Png, ReadsBackAsItWasWritten) {
    std::vector<std::uint8_t> pixels(20 * 31 * 3);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
    const auto path = folder_ / "image.png";
    for (int time = 0; time < 2; ++time) {  // the second replaces the first
        write_png(path, View(pixels.data(), DType::u8, {20, 31, 3}));
        int width = 0;
        int height = 0;
        EXPECT_EQ(read_png(path, width, height), pixels);
        EXPECT_EQ(width, 31);
        EXPECT_EQ(height, 20);
        pixels[5] = 99;
    }
    EXPECT_EQ(folder_.names().size(), 1U);
}

TEST_F(Png, NamesTheFileThatCannotBeWritten) {
    std::vector<std::uint8_t> pixels(3);
    const View view(pixels.data(), DType::u8, {1, 1, 3});
    const auto path = folder_ / "absent/image.png";
    try {
        write_png(path, view);
        FAIL();
    } catch (const IoError& error) {
        EXPECT_EQ(error.path, path);
        EXPECT_EQ(error.reason, "No such file or directory");
    }
    fs::create_directory(folder_ / "taken");
    EXPECT_THROW(write_png(folder_ / "taken", view), IoError);
    EXPECT_EQ(folder_.names().size(), 1U);
}

TEST_F(Png, RefusesWhatIsNoRgbImage) {
    std::vector<float> values(12);
    const auto path = folder_ / "image.png";
    EXPECT_THROW(write_png(path, View(values.data(), DType::f32, {2, 2, 3})), DTypeError);
    EXPECT_THROW(write_png(path, View(values.data(), DType::u8, {3, 2, 2})), ShapeError);
    EXPECT_THROW(write_png(path, View(values.data(), DType::u8, {0, 2, 3})), ShapeError);
    EXPECT_FALSE(fs::exists(path));
}

// The committed images were drawn by matplotlib and PIL from the spectrum "overflow".
TEST_F(Png, CommittedImagesOfTheReferenceAreDrawnAlike) {
    std::ifstream stream(std::string(BALMER_TEST_DATA) + "/map2d_flux.f32", std::ios::binary);
    const std::int64_t before = 4633 + 4600 + 4577 + 3838 + 1200 + 3909 + 3700 + 5476;
    TestSpectra spectra;
    spectra.flux.resize(5600);
    stream.seekg(before * 4);
    stream.read(reinterpret_cast<char*>(spectra.flux.data()), 5600 * 4);
    ASSERT_TRUE(stream);
    int width = 0;
    int height = 0;
    ImageOptions options;
    options.type = "map2d";
    EXPECT_EQ(read_png(std::string(BALMER_TEST_DATA) + "/map2d_overflow.png", width, height),
              images_of(spectra, options));
    options.type = "map2d-norm";
    options.fill_order = FillOrder::boustrophedon;
    EXPECT_EQ(read_png(std::string(BALMER_TEST_DATA) + "/map2d_norm_overflow.png", width, height),
              images_of(spectra, options));
}

}  // namespace
}  // namespace balmer::render
