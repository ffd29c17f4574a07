// Images drawn straight into patch rows: the bits that the image, cut into patches, has.

#include <gtest/gtest.h>

#include "kernels/patch_embed/patch_embed.h"
#include "tests/render/spectra.h"

namespace balmer::render {
namespace {

/// What a model would get from the image: the image itself, cut into patches afterwards.
template <class T>
std::vector<T> cut_images(const SpectrumBatch& batch, const ImageOptions& options) {
    std::vector<T> images = images_of<T>(batch, options);
    const std::int64_t count = batch.flux.shape[0];
    std::vector<T> rows(images.size());
    const std::int64_t side = options.image_size;
    kernels::extract_patches(
        {}, {.image = View(images.data(), dtype_of_v<T>, {count, 3, side, side}),
             .patch_size = options.patch_size,
             .rows = View(rows.data(), dtype_of_v<T>, patch_rows_shape(options, count))});
    return rows;
}

template <class T>
std::vector<T> drawn_patches(const Context& context, const SpectrumBatch& batch,
                             const ImageOptions& options) {
    const Shape shape = patch_rows_shape(options, batch.flux.shape[0]);
    const UploadedSpectra uploaded(context, batch);
    std::vector<T> rows(static_cast<std::size_t>(shape.numel()));
    const Buffer output(context, rows.size() * sizeof(T));
    fill_bytes(context, output.data(), 0xAB, output.bytes());
    render(context, options, uploaded.batch,
           View(output.data(), dtype_of_v<T>, shape, context.device));
    copy_bytes(context, rows.data(), {}, output.data(), context.device, output.bytes());
    synchronize(context);
    return rows;
}

template <class T>
void expect_patches_of_the_image(const SpectrumBatch& batch, const ImageOptions& options) {
    const std::vector<T> expected = cut_images<T>(batch, options);
    std::vector<Context> contexts = device_contexts();
    contexts.emplace_back();
    for (const Context& context : contexts) {
        const std::vector<T> actual = drawn_patches<T>(context, batch, options);
        EXPECT_EQ(std::memcmp(actual.data(), expected.data(), expected.size() * sizeof(T)), 0)
            << options.type << " " << name_of(dtype_of_v<T>) << " on " << name_of(context.device);
    }
}

struct Size {
    int image;
    int patch;
};

class PatchOutput : public ::testing::TestWithParam<Size> {};

TEST_P(PatchOutput, OfEveryTypeHasTheBitsOfTheImageCutIntoPatches) {
    TestSpectra spectra;
    for (std::uint64_t seed = 1; seed < 4; ++seed) {
        const TestSpectra one = line_spectrum(500, 5.0, 2.0, 200, 5, 1.0, seed);
        spectra.flux.insert(spectra.flux.end(), one.flux.begin(), one.flux.end());
        for (std::size_t i = 0; i < one.flux.size(); ++i) {
            spectra.mask.push_back(i % 31 == seed ? 1 : 0);
            spectra.wavelength.push_back(3600.0 + static_cast<double>(i));
        }
    }
    spectra.lengths = {500, 3, 377};
    spectra.count = 3;
    ImageOptions options;
    options.image_size = GetParam().image;
    options.patch_size = GetParam().patch;
    options.vmax = 9.0;
    options.mean = {0.485F, 0.456F, 0.406F};
    options.standard_deviation = {0.229F, 0.224F, 0.225F};
    for (const auto& type : image_types()) {
        options.type = type.name;
        expect_patches_of_the_image<float>(spectra.batch(), options);
        expect_patches_of_the_image<bfloat16>(spectra.batch(), options);
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, PatchOutput,
                         ::testing::Values(Size{48, 16}, Size{32, 8}, Size{35, 5}, Size{24, 12},
                                           Size{16, 16}, Size{140, 14}),
                         [](const auto& item) {
                             return "Image" + std::to_string(item.param.image) + "Patch" +
                                    std::to_string(item.param.patch);
                         });

TEST(PatchOutputOptions, PatchesMustTileTheImage) {
    ImageOptions options;
    options.image_size = 30;
    options.patch_size = 16;
    EXPECT_THROW(patch_rows_shape(options, 1), UsageError);
    EXPECT_EQ(patch_rows_shape({}, 2), (Shape{2, 196, 768}));
}

TEST(PatchOutputOptions, PatchRowsHoldNormalisedValuesOnly) {
    TestSpectra spectra = line_spectrum(100, 5.0, 2.0, 50, 3, 1.0);
    std::vector<std::uint8_t> output(196 * 768);
    EXPECT_THROW(render({}, {}, spectra.batch(), View(output.data(), DType::u8, {1, 196, 768})),
                 ShapeError);
}

}  // namespace
}  // namespace balmer::render
