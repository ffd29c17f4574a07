// kernels/patch_embed against loops over pixels in f64.

#include "kernels/patch_embed/patch_embed.h"

#include <ostream>

#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels {
namespace {

using namespace testing;

struct PatchCase {
    const char* name;
    std::int64_t batch;
    std::int64_t channels;
    std::int64_t height;
    std::int64_t width;
    std::int64_t patch;
    std::int64_t columns;  ///< C, the model width
    bool is_rows = false;  ///< the image comes as patch rows
    bool has_image_gradient = true;
    Alignment alignment = Alignment::element;
};

const PatchCase cases[] = {
    {.name = "OnePixel",
     .batch = 1,
     .channels = 1,
     .height = 1,
     .width = 1,
     .patch = 1,
     .columns = 1},
    {.name = "OnePatch",
     .batch = 2,
     .channels = 3,
     .height = 4,
     .width = 4,
     .patch = 4,
     .columns = 7},
    {.name = "Wide",
     .batch = 2,
     .channels = 3,
     .height = 6,
     .width = 15,
     .patch = 3,
     .columns = 10},
    {.name = "Tall",
     .batch = 3,
     .channels = 1,
     .height = 20,
     .width = 8,
     .patch = 4,
     .columns = 9,
     .has_image_gradient = false},
    {.name = "ViT",
     .batch = 2,
     .channels = 3,
     .height = 32,
     .width = 32,
     .patch = 16,
     .columns = 24},
    {.name = "Rows",
     .batch = 2,
     .channels = 3,
     .height = 6,
     .width = 15,
     .patch = 3,
     .columns = 10,
     .is_rows = true},
    {.name = "AlignedViT",
     .batch = 2,
     .channels = 3,
     .height = 32,
     .width = 32,
     .patch = 16,
     .columns = 24,
     .alignment = Alignment::vector},
    {.name = "AlignedTwoTiles",
     .batch = 3,
     .channels = 1,
     .height = 64,
     .width = 48,
     .patch = 8,
     .columns = 136,
     .alignment = Alignment::vector},
    {.name = "AlignedSplits",
     .batch = 12,
     .channels = 1,
     .height = 32,
     .width = 72,
     .patch = 8,
     .columns = 8,
     .has_image_gradient = false,
     .alignment = Alignment::vector},
    {.name = "Splits",
     .batch = 20,
     .channels = 1,
     .height = 4,
     .width = 60,
     .patch = 2,
     .columns = 3,
     .has_image_gradient = false},
    {.name = "AlignedRows",
     .batch = 2,
     .channels = 2,
     .height = 6,
     .width = 18,
     .patch = 6,
     .columns = 16,
     .is_rows = true,
     .alignment = Alignment::vector},
    {.name = "NoImages",
     .batch = 0,
     .channels = 1,
     .height = 16,
     .width = 8,
     .patch = 8,
     .columns = 8,
     .alignment = Alignment::vector},
};

std::ostream& operator<<(std::ostream& stream, const PatchCase& item) {
    return stream << item.name;
}

struct Problem {
    PatchCase item;
    std::int64_t patches, length;
    Operand image, weight, bias, cls, position, out;
    Operand out_gradient, image_gradient, weight_gradient, bias_gradient, cls_gradient,
        position_gradient;

    Problem(const PatchCase& the_case, DType dtype)
        : item(the_case),
          patches(item.height / item.patch * (item.width / item.patch)),
          length(item.channels * item.patch * item.patch) {
        Random random(40);
        const DType statistics = statistics_dtype(dtype);
        const Shape shape = item.is_rows
                                ? Shape{item.batch, patches, length}
                                : Shape{item.batch, item.channels, item.height, item.width};
        const Shape tokens = {item.batch, 1 + patches, item.columns};
        const auto operand = [&](DType of, const Shape& sizes) {
            return Operand(of, sizes, Layout::contiguous, item.alignment);
        };
        image = operand(dtype, shape).randomise(random);
        weight = operand(dtype, {item.columns, length}).randomise(random, 0.2);
        bias = operand(statistics, {item.columns}).randomise(random);
        cls = operand(statistics, {item.columns}).randomise(random);
        position = operand(statistics, {1 + patches, item.columns}).randomise(random);
        out = operand(dtype, tokens);
        out_gradient = operand(dtype, tokens).randomise(random);
        if (item.has_image_gradient) image_gradient = operand(dtype, shape);
        weight_gradient = operand(statistics, weight.shape());
        bias_gradient = operand(statistics, bias.shape());
        cls_gradient = operand(statistics, cls.shape());
        position_gradient = operand(statistics, position.shape());
    }

    /// Whether every entry of the choice tables for this device and dtype must take the problem.
    bool is_for(const Way& way) const {
        if (way.choice == "plain") return true;
        if (image.dtype() == DType::f64) return false;
        return way.choice == "device" ||
               (item.alignment == Alignment::vector && image.dtype() == DType::bf16);
    }

    PatchEmbedForward forward(const Context& context) const {
        return {image.view(context),    weight.view(context), bias.view(context), cls.view(context),
                position.view(context), item.patch,           out.view(context)};
    }

    PatchEmbedBackward backward(const Context& context) const {
        return {out_gradient.view(context),
                image.view(context),
                weight.view(context),
                item.patch,
                image_gradient ? image_gradient.view(context) : View(),
                weight_gradient.view(context),
                bias_gradient.view(context),
                cls_gradient.view(context),
                position_gradient.view(context)};
    }

    /// The place of element `e` of patch `n` of image `b` in `image`.
    std::size_t pixel(std::int64_t b, std::int64_t n, std::int64_t e) const {
        if (item.is_rows) return (b * patches + n) * length + e;
        const std::int64_t across = item.width / item.patch;
        const std::int64_t c = e / (item.patch * item.patch);
        const std::int64_t y = n / across * item.patch + e / item.patch % item.patch;
        const std::int64_t x = n % across * item.patch + e % item.patch;
        return ((b * item.channels + c) * item.height + y) * item.width + x;
    }
};

class PatchEmbed : public ::testing::TestWithParam<PatchCase> {};

TEST_P(PatchEmbed, ForwardMatchesTheSumOverPixels) {
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"tensor_cores", "device"})) {
            const Problem problem(GetParam(), dtype);
            const bool has_run = run_way(way, "patch_embed", [&](const Context& context) {
                patch_embed(context, problem.forward(context));
            });
            EXPECT_EQ(has_run, problem.is_for(way)) << rerun(way, "patch_embed");
            if (!has_run) continue;
            same_bits.expect(way, "out", problem.out);
            const PatchCase& item = problem.item;
            const auto image = problem.image.values();
            const auto weight = problem.weight.values();
            const auto bias = problem.bias.values();
            const auto cls = problem.cls.values();
            const auto position = problem.position.values();
            std::vector<double> expected;
            for (std::int64_t b = 0; b < item.batch; ++b) {
                for (std::int64_t t = 0; t <= problem.patches; ++t) {
                    for (std::int64_t c = 0; c < item.columns; ++c) {
                        double sum = position[t * item.columns + c] + (t == 0 ? cls[c] : bias[c]);
                        for (std::int64_t e = 0; t > 0 && e < problem.length; ++e) {
                            sum +=
                                weight[c * problem.length + e] * image[problem.pixel(b, t - 1, e)];
                        }
                        expected.push_back(sum);
                    }
                }
            }
            const double rounding = dtype == DType::bf16 ? 0.51 * ulp_of(dtype) : 0.0;
            const std::string what = std::string(name_of(dtype)) + rerun(way, "patch_embed");
            expect_close(problem.out.values(), expected,
                         (rounding + 16.0 * ulp_of(statistics_dtype(dtype))) * scale_of(expected),
                         what);
            EXPECT_TRUE(problem.out.guards_are_intact()) << what;
        }
    }
}

TEST_P(PatchEmbed, BackwardMatchesTheSumsOverPixelsAndPatches) {
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        SameBits same_bits;
        for (const Way& way : ways_of({"plain"}, {"tensor_cores", "device"})) {
            const Problem problem(GetParam(), dtype);
            const bool has_run = run_way(way, "patch_embed_backward", [&](const Context& context) {
                patch_embed_backward(context, problem.backward(context));
            });
            EXPECT_EQ(has_run, problem.is_for(way)) << rerun(way, "patch_embed_backward");
            if (!has_run) continue;
            const PatchCase& item = problem.item;
            const auto image = problem.image.values();
            const auto weight = problem.weight.values();
            const auto gradient = problem.out_gradient.values();
            std::vector<double> by_image(image.size());
            std::vector<double> by_weight(weight.size());
            std::vector<double> by_bias(item.columns);
            std::vector<double> by_cls(item.columns);
            std::vector<double> by_position((1 + problem.patches) * item.columns);
            for (std::int64_t b = 0; b < item.batch; ++b) {
                for (std::int64_t t = 0; t <= problem.patches; ++t) {
                    for (std::int64_t c = 0; c < item.columns; ++c) {
                        const double g =
                            gradient[(b * (1 + problem.patches) + t) * item.columns + c];
                        by_position[t * item.columns + c] += g;
                        (t == 0 ? by_cls : by_bias)[c] += g;
                        for (std::int64_t e = 0; t > 0 && e < problem.length; ++e) {
                            const std::size_t pixel = problem.pixel(b, t - 1, e);
                            by_weight[c * problem.length + e] += g * image[pixel];
                            by_image[pixel] += g * weight[c * problem.length + e];
                        }
                    }
                }
            }
            const std::string what =
                std::string(name_of(dtype)) + rerun(way, "patch_embed_backward");
            const double unit = 16.0 * ulp_of(statistics_dtype(dtype));
            const auto expect = [&](const Operand& actual, const std::vector<double>& expected,
                                    const char* name) {
                const double rounding =
                    actual.dtype() == DType::bf16 ? 0.51 * ulp_of(DType::bf16) : 0.0;
                expect_close(actual.values(), expected,
                             (rounding + unit) * (1.0 + scale_of(expected)), name + what);
                EXPECT_TRUE(actual.guards_are_intact()) << name << what;
                same_bits.expect(way, name, actual);
            };
            if (item.has_image_gradient) {
                expect(problem.image_gradient, by_image, "image_gradient ");
            }
            expect(problem.weight_gradient, by_weight, "weight_gradient ");
            expect(problem.bias_gradient, by_bias, "bias_gradient ");
            expect(problem.cls_gradient, by_cls, "cls_gradient ");
            expect(problem.position_gradient, by_position, "position_gradient ");
        }
    }
}

TEST_P(PatchEmbed, ExtractedPatchesAreChannelFirst) {
    const PatchCase& item = GetParam();
    if (item.is_rows) return;
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
        for (const Way& way : ways_of({"plain"}, {"device"})) {
            const Problem problem(item, dtype);
            const Operand rows(dtype, {item.batch, problem.patches, problem.length},
                               Layout::contiguous, item.alignment);
            if (!run_way(way, "extract_patches", [&](const Context& context) {
                    extract_patches(context,
                                    {problem.image.view(context), item.patch, rows.view(context)});
                })) {
                EXPECT_EQ(dtype, DType::f64);
                continue;
            }
            const auto image = problem.image.values();
            std::vector<double> expected;
            for (std::int64_t b = 0; b < item.batch; ++b) {
                for (std::int64_t n = 0; n < problem.patches; ++n) {
                    for (std::int64_t e = 0; e < problem.length; ++e) {
                        expected.push_back(image[problem.pixel(b, n, e)]);
                    }
                }
            }
            expect_close(rows.values(), expected, 0.0, "rows" + rerun(way, "extract_patches"));
            EXPECT_TRUE(rows.guards_are_intact());
        }
    }
}

/// A pixel that is not a number reaches the token of its own patch and no other.
TEST(PatchEmbedValues, NanStaysInItsPatch) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
        for (const Way& way : ways_of({"plain"}, {"tensor_cores", "device"})) {
            const Problem problem({.name = "Nan",
                                   .batch = 2,
                                   .channels = 1,
                                   .height = 16,
                                   .width = 24,
                                   .patch = 8,
                                   .columns = 8,
                                   .alignment = Alignment::vector},
                                  dtype);
            auto pixels = problem.image.values();
            pixels[problem.pixel(1, 4, 17)] = nan;
            const Operand image =
                Operand(dtype, problem.image.shape(), Layout::contiguous, Alignment::vector)
                    .set(pixels);
            if (!run_way(way, "patch_embed", [&](const Context& context) {
                    auto arguments = problem.forward(context);
                    arguments.image = image.view(context);
                    patch_embed(context, arguments);
                })) {
                continue;
            }
            const auto out = problem.out.values();
            for (std::size_t i = 0; i < out.size(); ++i) {
                EXPECT_EQ(std::isnan(out[i]), i / 8 == 7 + 1 + 4) << i << rerun(way, "patch_embed");
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, PatchEmbed, ::testing::ValuesIn(cases),
                         [](const auto& item) { return item.param.name; });

TEST(PatchEmbedErrors, NameTheArgumentTheExpectedAndTheActual) {
    const Problem problem(cases[2], DType::bf16);
    auto bad = problem.forward({});
    bad.patch_size = 4;
    expect_error<ShapeError>([&] { patch_embed({}, bad); },
                             "patch_embed: height and width of image [2, 3, 6, 15] must be "
                             "multiples of the patch size 4");
    bad = problem.forward({});
    bad.weight = Operand(DType::bf16, {10, 26}).view();
    expect_error<ShapeError>([&] { patch_embed({}, bad); },
                             "patch_embed: weight must be [10, 27], got [10, 26]");
    bad = problem.forward({});
    bad.position = Operand(DType::bf16, {11, 10}).view();
    expect_error<DTypeError>([&] { patch_embed({}, bad); },
                             "patch_embed: position must be f32, got bf16");
    bad = problem.forward({});
    bad.image = Operand(DType::bf16, {6, 15}).view();
    expect_error<ShapeError>(
        [&] { patch_embed({}, bad); },
        "patch_embed: image must be [B, channels, height, width] or patch rows [B, N, channels * "
        "p * p], got [6, 15]");
}

}  // namespace
}  // namespace balmer::kernels
