#pragma once
// Models: a backbone that turns spectra or their images into features, and heads that read them.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nn/layers.h"
#include "nn/module.h"
#include "vit/config.h"

namespace balmer::vit {

/// A batch, normalised. One group of tensors is set, as the architecture asks.
struct ModelInput {
    /// vit: images [B, channels, H, W] or patch rows [B, N, channels * p * p], f32 or bf16.
    Tensor pixels;
    /// transformer-1d: flux f32 [B, L], wavelength f32 or f64 [B, L] in Angstrom, mask u8 [B, L]
    /// (1 = valid, else 0). Finite everywhere; what the mask leaves out has no influence.
    Tensor flux;
    Tensor wavelength;
    Tensor mask;
};

class Model : public nn::Module {
  public:
    using ForwardOptions = nn::ForwardOptions;

    /// What the heads read, f32 [B, width]: the class token after the last LayerNorm (vit), the
    /// mean over valid tokens (transformer-1d).
    virtual Tensor features(const ModelInput& input, const ForwardOptions& options = {}) const = 0;

    /// All tokens after the last LayerNorm, f32 [B, T, width].
    virtual Tensor tokens(const ModelInput& input, const ForwardOptions& options = {}) const = 0;

    /// One f32 tensor a head, in the order of config().heads: logits [B, K] or outputs [B, 1]
    /// (see target_value).
    std::vector<Tensor> forward(const ModelInput& input, const ForwardOptions& options = {}) const;

    /// The same from features [B, width].
    std::vector<Tensor> apply_heads(const Tensor& features) const;

    const ModelConfig& config() const { return config_; }
    const Context& context() const { return context_; }

    /// True for parameters of heads ("heads.<target>.<layer>.weight").
    static bool is_head_parameter(const std::string& name);
    /// Lets everything but the heads be trained, or not.
    void set_backbone_requires_grad(bool value);

  protected:
    Model(const ModelConfig& config, const Context& context);

    /// The encoder blocks that the configuration asks for, "blocks.0", "blocks.1", ...
    std::vector<const nn::TransformerBlock*> register_blocks();
    /// Called by a constructor when its backbone is registered.
    void register_heads();

  private:
    struct HeadLayers : nn::Module {
        HeadLayers(std::int64_t width, int layers, int outputs, const Context& context);
        std::vector<const nn::Linear*> linears;
    };

    ModelConfig config_;
    Context context_;
    std::vector<const HeadLayers*> head_layers_;
};

/// A model with neutral values (zeros; ones for the scales of LayerNorms), to be filled from a
/// file. UsageError if `config` is not valid.
std::unique_ptr<Model> build_model(const ModelConfig& config, const Context& context = {});

/// A model with first values drawn from `seed`: weights and embeddings from a normal distribution
/// of deviation 0.02 cut at two deviations, biases 0, LayerNorm scales 1. The same seed gives the
/// same backbone whatever the heads. Embeddings of flux and wavelength (transformer-1d), whose
/// inputs are few, are uniform within 1 / sqrt(inputs). UsageError if `config` is not valid.
std::unique_ptr<Model> make_model(const ModelConfig& config, std::uint64_t seed,
                                  const Context& context = {});

}  // namespace balmer::vit
