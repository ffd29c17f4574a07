// Parity with PyTorch's layers; the goldens' script is golden/make_transformer_1d.py.

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "nn/initialise.h"
#include "tests/vit/golden.h"
#include "vit/model_directory.h"

namespace balmer::vit {
namespace {

using testing::golden;
using testing::relative_error;
using testing::stored_tensor;

ModelConfig tiny(int patch_pixels) {
    ModelConfig config = preset("transformer-1d");
    config.width = 16;
    config.layers = 2;
    config.attention_heads = 2;
    config.mlp_width = 24;
    config.patch_pixels = patch_pixels;
    config.max_length = 8;  // shorter than the spectra: the table is made to measure
    return config;
}

ModelInput spectra(const std::string& file) {
    ModelInput input;
    input.flux = stored_tensor(file, "flux");
    input.wavelength = stored_tensor(file, "wavelength");
    input.mask = stored_tensor(file, "mask");
    return input;
}

class SpectrumTransformerParity : public ::testing::TestWithParam<int> {
  protected:
    std::string name_ = "transformer_1d.p" + std::to_string(GetParam());
    std::string outputs_ = golden(name_ + ".outputs.safetensors");
    std::unique_ptr<Model> model_ = make_model(tiny(GetParam()), 1);

    void SetUp() override { load_pretrained(*model_, golden(name_ + ".safetensors")); }

    /// Tokens that the mask leaves out have values of no meaning: zeroed for the comparison.
    Tensor valid_only(const Tensor& tokens) const {
        const Tensor mask = cast(stored_tensor(outputs_, "token_mask"), DType::f32);
        return tokens * reshape(mask, {mask.size(0), mask.size(1), 1});
    }
};

TEST_P(SpectrumTransformerParity, MatchesPyTorchInF32) {
    const NoGrad no_grad;
    const ModelInput input = spectra(outputs_);
    EXPECT_LT(relative_error(valid_only(model_->tokens(input)),
                             valid_only(stored_tensor(outputs_, "last_hidden_state"))),
              1e-5);
    EXPECT_LT(relative_error(model_->features(input), stored_tensor(outputs_, "features")), 1e-5);
}

TEST_P(SpectrumTransformerParity, MatchesPyTorchInBf16) {
    const NoGrad no_grad;
    nn::ForwardOptions options;
    options.precision = DType::bf16;
    const Tensor features = model_->features(spectra(outputs_), options);
    EXPECT_EQ(features.dtype(), DType::f32);
    EXPECT_LT(relative_error(features, stored_tensor(outputs_, "features")), 2e-2);
}

INSTANTIATE_TEST_SUITE_P(PixelsPerToken, SpectrumTransformerParity, ::testing::Values(1, 4));

TEST(SpectrumTransformer, MaskedPixelsHaveNoInfluence) {
    const NoGrad no_grad;
    for (const int p : {1, 4}) {
        const auto model = make_model(tiny(p), 5);
        const std::string file = golden("transformer_1d.p4.outputs.safetensors");
        const ModelInput input = spectra(file);
        ModelInput other = input;
        other.flux = input.flux.clone();
        other.wavelength = input.wavelength.clone();
        const auto mask = input.mask.to_vector<std::uint8_t>();
        for (std::size_t i = 0; i < mask.size(); ++i) {
            if (mask[i] != 0) continue;
            other.flux.data<float>()[i] = 1e6F;
            other.wavelength.data<double>()[i] = 0.0;
        }
        EXPECT_EQ(model->features(other).to_vector<float>(),
                  model->features(input).to_vector<float>());
    }
}

TEST(SpectrumTransformer, PaddingHasNoInfluence) {
    const NoGrad no_grad;
    const auto model = make_model(tiny(1), 5);
    const ModelInput input = spectra(golden("transformer_1d.p1.outputs.safetensors"));
    ModelInput padded;
    padded.flux = concatenate({input.flux, Tensor::zeros({3, 7})}, 1);
    padded.wavelength = concatenate({input.wavelength, Tensor::zeros({3, 7}, DType::f64)}, 1);
    padded.mask = concatenate({input.mask, Tensor::zeros({3, 7}, DType::u8)}, 1);
    EXPECT_LT(relative_error(model->features(padded), model->features(input)), 1e-6);
}

TEST(SpectrumTransformer, ASpectrumWithoutValidPixelsHasFiniteFeatures) {
    const auto model = make_model(tiny(4), 5);
    ModelInput input;
    input.flux = Tensor::zeros({1, 10});
    input.wavelength = Tensor::zeros({1, 10});
    input.mask = Tensor::zeros({1, 10}, DType::u8);
    const Tensor features = model->features(input);
    for (const float value : features.to_vector<float>()) EXPECT_EQ(value, 0.0F);
    sum(features).backward();
    for (const auto& [name, parameter] : model->parameters()) {
        for (const float value : parameter.grad().to_vector<float>()) {
            ASSERT_TRUE(std::isfinite(value)) << name;
        }
    }
}

TEST(SpectrumTransformer, GradientsMatchFiniteDifferencesAlongADirection) {
    ModelConfig config = tiny(4);
    config.heads = {{"z", {}}};
    const auto model = make_model(config, 6);
    const ModelInput input = spectra(golden("transformer_1d.p4.outputs.safetensors"));
    // Larger weights than the first ones, so that no part's gradient drowns in rounding.
    std::uint64_t stream = 0;
    for (const auto& [name, tensor] : model->parameters()) {
        if (tensor.rank() == 2) nn::fill_uniform(tensor, 0.4, 7, stream++);
    }
    const auto loss = [&] { return sum(square(model->forward(input).at(0))); };
    loss().backward();
    const NoGrad no_grad;
    for (const auto& [name, tensor] : model->parameters()) {
        const auto gradient = tensor.grad().to_vector<float>();
        double norm = 0.0;
        for (const float g : gradient) norm += double{g} * g;
        norm = std::sqrt(norm);
        if (norm < 1e-2) continue;
        const auto original = tensor.to_vector<float>();
        const auto at = [&](double step) {
            auto moved = original;
            for (std::size_t i = 0; i < moved.size(); ++i) {
                moved[i] += static_cast<float>(step * gradient[i] / norm);
            }
            nn::assign(tensor, moved);
            return loss().item();
        };
        const double slope = (at(2e-3) - at(-2e-3)) / 4e-3;
        nn::assign(tensor, original);
        EXPECT_NEAR(slope, norm, 1e-2 * norm) << name;
    }
}

TEST(SpectrumTransformer, SavedAndLoadedItIsTheSame) {
    TemporaryFolder folder;
    ModelConfig config = tiny(4);
    config.heads = {{"class", {"STAR", "GALAXY"}}, {"z", {}, 0.5, 2.0, "log1p"}};
    const auto model = make_model(config, 8);
    save_model(*model, folder.path());
    const auto loaded = load_model(folder.path());
    EXPECT_EQ(loaded->config(), config);
    for (const auto& [name, tensor] : model->parameters()) {
        EXPECT_EQ(tensor.to_vector<float>(), loaded->parameter(name).to_vector<float>()) << name;
    }
}

TEST(SpectrumTransformer, RefusesInputsOfOtherShapesAndTypes) {
    const auto model = make_model(tiny(1), 1);
    ModelInput input;
    EXPECT_THROW(model->features(input), UsageError);
    input.flux = Tensor::zeros({1, 4});
    input.wavelength = Tensor::full({1, 4}, 5000.0);
    input.mask = Tensor::zeros({1, 5}, DType::u8);
    EXPECT_THROW(model->features(input), ShapeError);
    input.mask = Tensor::zeros({1, 4}, DType::f32);
    EXPECT_THROW(model->features(input), DTypeError);
}

}  // namespace
}  // namespace balmer::vit
