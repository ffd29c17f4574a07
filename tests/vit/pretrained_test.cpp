// Weights of every layout find their place: timm, original DINO, prefixes, other image sizes.

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/core/error.h"
#include "tests/vit/golden.h"
#include "vit/model_directory.h"
#include "vit/position_embedding.h"

namespace balmer::vit {
namespace {

using testing::golden;
using testing::relative_error;
using testing::stored_tensor;

ModelConfig timm_config() {
    ModelConfig config;
    config.image_size = 16;
    config.patch_size = 4;
    config.width = 32;
    config.layers = 1;
    config.attention_heads = 2;
    config.mlp_width = 64;
    config.layer_norm_epsilon = 1e-6;
    return config;
}

double timm_error(const Model& model) {
    ModelInput input;
    input.pixels = stored_tensor(golden("timm.outputs.safetensors"), "pixel_values");
    const NoGrad no_grad;
    return relative_error(model.tokens(input),
                          stored_tensor(golden("timm.outputs.safetensors"), "last_hidden_state"));
}

/// A copy of the timm golden with every name changed.
template <class Rename>
void rewrite_timm(const std::string& path, const Rename& rename,
                  std::vector<weights::NamedView> others = {}) {
    const std::string file = golden("timm.safetensors");
    std::vector<Tensor> tensors;
    const weights::SafetensorsFile source(file);
    for (const auto& info : source.tensors()) {
        tensors.push_back(stored_tensor(file, info.name));
        others.push_back({rename(info.name), tensors.back().view()});
    }
    weights::write_safetensors(path, others);
}

TEST(Pretrained, TimmWeightsGiveTimmsOutputs) {
    ModelConfig config = timm_config();
    config.heads = {{"class", {"A", "B"}}, {"z", {}}};
    const auto model = make_model(config, 1);
    const auto head_before = model->parameter("heads.z.0.weight").to_vector<float>();
    const PretrainedReport report = load_pretrained(*model, golden("timm.safetensors"));
    EXPECT_LT(timm_error(*model), 1e-5);
    EXPECT_EQ(report.layout, "timm");
    EXPECT_EQ(report.ignored, (std::vector<std::string>{"head.bias", "head.weight"}));
    EXPECT_EQ(report.fresh, (std::vector<std::string>{"heads.class.0.weight", "heads.class.0.bias",
                                                      "heads.z.0.weight", "heads.z.0.bias"}));
    EXPECT_EQ(report.loaded.size() + report.fresh.size(), model->parameters().size());
    EXPECT_FALSE(report.position_interpolated);
    EXPECT_EQ(model->parameter("heads.z.0.weight").to_vector<float>(), head_before);
}

TEST(Pretrained, PrefixesAndOriginalDinoAreRecognised) {
    TemporaryFolder folder;
    const Tensor projection = Tensor::full({4, 32}, 1.0);
    for (const std::string prefix :
         {"vit.", "model.", "backbone.", "module.", "module.backbone."}) {
        const std::string file = folder / "weights.safetensors";
        // DINO's projection head stands beside its backbone.
        rewrite_timm(file, [&](const std::string& name) { return prefix + name; },
                     {{"module.head.mlp.0.weight", projection.view()}});
        const auto model = make_model(timm_config(), 1);
        const PretrainedReport report = load_pretrained(*model, file);
        EXPECT_LT(timm_error(*model), 1e-5) << prefix;
        EXPECT_EQ(
            std::count(report.ignored.begin(), report.ignored.end(), "module.head.mlp.0.weight"), 1)
            << prefix;
    }
}

TEST(Pretrained, DirectoriesOfTransformersAreRead) {
    const auto expected = load_model(golden("vit"));
    ModelConfig config = expected->config();
    config.heads = {{"z", {}}};
    const auto model = make_model(config, 3);
    const PretrainedReport report = load_pretrained(*model, golden("vit"));
    EXPECT_EQ(report.layout, "transformers");
    EXPECT_EQ(report.ignored, (std::vector<std::string>{"classifier.bias", "classifier.weight"}));
    for (const auto& [name, tensor] : model->parameters()) {
        if (Model::is_head_parameter(name)) continue;
        EXPECT_EQ(tensor.to_vector<float>(), expected->parameter(name).to_vector<float>()) << name;
    }
}

TEST(Pretrained, PositionsOfAnotherGridAreInterpolated) {
    ModelConfig config = timm_config();
    config.image_size = 28;  // 7 x 7 patches
    const auto model = make_model(config, 1);
    const PretrainedReport report = load_pretrained(*model, golden("timm.safetensors"));
    EXPECT_TRUE(report.position_interpolated);
    const Tensor stored = stored_tensor(golden("timm.safetensors"), "pos_embed");  // (1, 17, C)
    const Tensor expected = interpolate_position(reshape(stored, {17, 32}), {4, 4}, {7, 7});
    EXPECT_EQ(model->parameter("position_embedding").to_vector<float>(),
              expected.to_vector<float>());
}

TEST(Pretrained, Fault37ListsWhatIsMissingMisshapenAndExtra) {
    TemporaryFolder folder;
    const std::string file = folder / "weights.safetensors";
    const Tensor extra = Tensor::zeros({3});
    rewrite_timm(file,
                 [](const std::string& name) {
                     return name == "norm.bias" ? "blocks.0.mlp.fc1.gamma" : name;
                 },
                 {{"blocks.7.norm1.weight", extra.view()}});
    ModelConfig config = timm_config();
    config.mlp_width = 48;
    const auto model = make_model(config, 1);
    const auto before = model->parameter("cls_token").to_vector<float>();
    try {
        load_pretrained(*model, file);
        FAIL() << "was loaded";
    } catch (const FormatError& error) {
        const std::string message = error.what();
        for (const char* part :
             {"weights.safetensors", "norm.bias", "blocks.0.mlp.fc1.gamma", "blocks.7.norm1.weight",
              "blocks.0.mlp.fc1.weight", "[48, 32]", "[64, 32]", "blocks.0.mlp.fc2.weight"}) {
            EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
        }
    }
    EXPECT_EQ(model->parameter("cls_token").to_vector<float>(), before) << "half loaded";
}

TEST(Pretrained, FilesOfNoKnownModelAreRefused) {
    const auto model = make_model(timm_config(), 1);
    EXPECT_THROW(load_pretrained(*model, golden("positions.safetensors")), FormatError);
    EXPECT_THROW(load_pretrained(*model, golden("absent.safetensors")), IoError);
}

}  // namespace
}  // namespace balmer::vit
