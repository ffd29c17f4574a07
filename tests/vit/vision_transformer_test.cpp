// Parity with transformers and timm on tiny random models; the goldens' script is
// golden/make_vit.py.

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/vit/golden.h"
#include "vit/embeddings.h"
#include "vit/model_directory.h"

namespace balmer::vit {
namespace {

using testing::golden;
using testing::relative_error;
using testing::stored_tensor;

// f32: some 40 roundings in sequence on the residual stream, each 6e-8, and sums of 64 terms.
constexpr double f32_tolerance = 1e-5;
// bf16: roundings of 2^-9 = 2e-3 on every product's operands and on the residual stream.
constexpr double bf16_tolerance = 2e-2;

ModelInput images(const std::string& file, const std::string& name = "pixel_values") {
    ModelInput input;
    input.pixels = stored_tensor(golden(file), name);
    return input;
}

nn::ForwardOptions in_bf16() {
    nn::ForwardOptions options;
    options.precision = DType::bf16;
    return options;
}

TEST(VisionTransformer, MatchesTransformersInF32) {
    const auto model = load_model(golden("vit"));
    const ModelInput input = images("vit.outputs.safetensors");
    const Tensor hidden = stored_tensor(golden("vit.outputs.safetensors"), "last_hidden_state");
    const Tensor logits = stored_tensor(golden("vit.outputs.safetensors"), "logits");
    const NoGrad no_grad;
    const Tensor tokens = model->tokens(input);
    EXPECT_EQ(tokens.shape(), hidden.shape());
    EXPECT_LT(relative_error(tokens, hidden), f32_tolerance);
    EXPECT_LT(relative_error(model->features(input), contiguous(select(hidden, 1, 0))),
              f32_tolerance);
    EXPECT_LT(relative_error(model->forward(input).at(0), logits), f32_tolerance);
}

TEST(VisionTransformer, MatchesTransformersInBf16) {
    const auto model = load_model(golden("vit"));
    const ModelInput input = images("vit.outputs.safetensors");
    const Tensor hidden = stored_tensor(golden("vit.outputs.safetensors"), "last_hidden_state");
    const NoGrad no_grad;
    const Tensor tokens = model->tokens(input, in_bf16());
    EXPECT_EQ(tokens.dtype(), DType::f32);
    const double error = relative_error(tokens, hidden);
    EXPECT_LT(error, bf16_tolerance);
    EXPECT_GT(error, f32_tolerance) << "was computed in f32";
    ModelInput rounded;
    rounded.pixels = cast(input.pixels, DType::bf16);
    EXPECT_EQ(model->tokens(rounded).to_vector<float>(), tokens.to_vector<float>());
    EXPECT_EQ(model->forward(rounded).at(0).dtype(), DType::f32);
}

TEST(VisionTransformer, MatchesTransformersOnImagesOfAnotherSize) {
    const auto model = load_model(golden("vit"));
    const std::string file = "vit.outputs.safetensors";
    const NoGrad no_grad;
    const Tensor tokens = model->tokens(images(file, "wide.pixel_values"));
    EXPECT_LT(relative_error(tokens, stored_tensor(golden(file), "wide.last_hidden_state")),
              f32_tolerance);
}

TEST(VisionTransformer, MatchesTransformersWithoutQkvBias) {
    PretrainedReport report;
    const auto model = load_model(golden("no_qkv_bias"), {}, &report);
    EXPECT_FALSE(model->config().qkv_bias);
    EXPECT_EQ(report.ignored,
              (std::vector<std::string>{"pooler.dense.bias", "pooler.dense.weight"}));
    const std::string file = "no_qkv_bias.outputs.safetensors";
    const NoGrad no_grad;
    EXPECT_LT(relative_error(model->tokens(images(file)),
                             stored_tensor(golden(file), "last_hidden_state")),
              f32_tolerance);
}

TEST(VisionTransformer, AllGradientsMatchPyTorch) {
    const auto model = load_model(golden("vit"));
    const Tensor logits = model->forward(images("vit.outputs.safetensors")).at(0);
    const Tensor target = Tensor::from(std::vector<std::int64_t>{2, 0, 1}, {3});
    const Tensor loss = cross_entropy(logits, target, 3.0);
    EXPECT_NEAR(loss.item(), stored_tensor(golden("vit.outputs.safetensors"), "loss").item(), 1e-5);
    loss.backward();

    // Gradients take the way of weights: a second model holds the reference's as its parameters.
    TemporaryFolder folder;
    std::filesystem::copy(golden("vit/config.json"), folder / "config.json");
    std::filesystem::copy(golden("vit.gradients.safetensors"), folder / "model.safetensors");
    const auto expected = load_model(folder.path());
    for (const auto& [name, parameter] : model->parameters()) {
        ASSERT_TRUE(parameter.grad().defined()) << name;
        // The gradient of the key's bias is zero in exact arithmetic: its third is left out.
        if (name.find("qkv.bias") != std::string::npos) {
            const std::int64_t C = model->config().width;
            for (const std::int64_t start : {std::int64_t{0}, 2 * C}) {
                EXPECT_LT(relative_error(slice(parameter.grad(), 0, start, C),
                                         slice(expected->parameter(name).detach(), 0, start, C)),
                          1e-4)
                    << name;
            }
            continue;
        }
        EXPECT_LT(relative_error(parameter.grad(), expected->parameter(name).detach()), 1e-4)
            << name;
    }
}

TEST(VisionTransformer, PatchRowsAreTheImage) {
    const auto model = load_model(golden("vit"));
    const ModelInput input = images("vit.outputs.safetensors");
    const std::int64_t p = 4;
    const std::int64_t side = 16 / p;
    // (B, ch, rows, p, columns, p) -> (B, rows, columns, ch, p, p)
    const Tensor split = reshape(input.pixels, {3, 3, side, p, side, p});
    ModelInput rows;
    rows.pixels = reshape(permute(split, {0, 2, 4, 1, 3, 5}), {3, side * side, 3 * p * p});
    const NoGrad no_grad;
    EXPECT_LT(relative_error(model->tokens(rows), model->tokens(input)), 1e-6);
}

TEST(VisionTransformer, FrozenBackboneGetsNoGradients) {
    const auto model = load_model(golden("vit"));
    model->set_backbone_requires_grad(false);
    const Tensor logits = model->forward(images("vit.outputs.safetensors")).at(0);
    sum(logits).backward();
    for (const auto& [name, parameter] : model->parameters()) {
        EXPECT_EQ(parameter.grad().defined(), Model::is_head_parameter(name)) << name;
    }
}

TEST(VisionTransformer, RefusesInputsOfOtherShapesAndNames) {
    const auto model = load_model(golden("vit"));
    EXPECT_THROW(model->features({}), UsageError);
    ModelInput input;
    for (const Shape& shape : {Shape{1, 3, 15, 16}, Shape{1, 1, 16, 16}, Shape{1, 15, 48},
                               Shape{16, 16}, Shape{1, 3, 0, 16}}) {
        input.pixels = Tensor::zeros(shape);
        EXPECT_THROW(model->features(input), ShapeError) << to_string(shape);
    }
}

TEST(Embeddings, FileHoldsWhatTransformersComputes) {
    TemporaryFolder folder;
    const auto model = load_model(golden("vit"));
    const Tensor pixels = read_pixel_values(golden("vit.outputs.safetensors"));
    EmbeddingOptions options;
    options.batch = 2;  // three images: the last batch is not full
    std::vector<Tensor> parts;
    embed_pixels(*model, pixels, options, [&](std::int64_t first, const Tensor& tokens) {
        EXPECT_EQ(first, 2 * static_cast<std::int64_t>(parts.size()));
        parts.push_back(tokens);
        return true;
    });
    ASSERT_EQ(parts.size(), 2U);
    write_embeddings(folder / "embeddings.safetensors",
                     contiguous(select(concatenate(parts, 0), 1, 0)), parts);
    const Tensor hidden = stored_tensor(golden("vit.outputs.safetensors"), "last_hidden_state");
    const Tensor written = stored_tensor(folder / "embeddings.safetensors", "last_hidden_state");
    EXPECT_EQ(written.shape(), hidden.shape());
    EXPECT_LT(relative_error(written, hidden), f32_tolerance);
    const Tensor cls = stored_tensor(folder / "embeddings.safetensors", "cls");
    EXPECT_EQ(cls.shape(), (Shape{3, 32}));
    EXPECT_LT(relative_error(cls, contiguous(select(hidden, 1, 0))), f32_tolerance);
}

TEST(Embeddings, StopWhereTheSinkWantsNoMore) {
    const auto model = load_model(golden("vit"));
    const Tensor pixels = read_pixel_values(golden("vit.outputs.safetensors"));
    int calls = 0;
    embed_pixels(*model, pixels, {.batch = 1}, [&](std::int64_t, const Tensor&) {
        ++calls;
        return false;
    });
    EXPECT_EQ(calls, 1);
}

TEST(Embeddings, RefuseFilesWithoutImages) {
    EXPECT_THROW(read_pixel_values(golden("positions.safetensors")), FormatError);
    TemporaryFolder folder;
    const Tensor flat = Tensor::zeros({2, 3});
    weights::write_safetensors(folder / "flat.safetensors", {{"pixel_values", flat.view()}});
    EXPECT_THROW(read_pixel_values(folder / "flat.safetensors"), FormatError);
    const Tensor none = Tensor::zeros({0, 3, 16, 16});
    weights::write_safetensors(folder / "none.safetensors", {{"pixel_values", none.view()}});
    EXPECT_THROW(read_pixel_values(folder / "none.safetensors"), FormatError);
}

}  // namespace
}  // namespace balmer::vit
