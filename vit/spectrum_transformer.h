#pragma once
// A transformer over the pixels of a spectrum, without an image: the 1D baseline of Strano Moraes
// et al. 2026 (arXiv:2506.00294).
//   token = Linear(flux) + Linear(wavelength position) + sinusoidal position; pre-norm blocks;
//   LayerNorm; mean over valid tokens
// A token holds p = config.patch_pixels pixels and is valid where more than half of them are. The
// wavelength position of a pixel is (log10(wavelength / Angstrom) - 3.75) / 0.25: about -1 to 1 in
// the optical.

#include <vector>

#include "vit/model.h"

namespace balmer::vit {

/// The wavelength position of a pixel at `wavelength` (A).
double wavelength_position(double wavelength);

class SpectrumTransformer : public Model {
  public:
    SpectrumTransformer(const ModelConfig& config, const Context& context);

    Tensor features(const ModelInput& input, const ForwardOptions& options = {}) const override;
    Tensor tokens(const ModelInput& input, const ForwardOptions& options = {}) const override;

  private:
    struct Encoded {
        Tensor tokens;  // f32 (B, T, C), after the last LayerNorm
        Tensor mask;    // u8 (B, T)
    };
    Encoded encode(const ModelInput& input, const ForwardOptions& options) const;
    Tensor positions(std::int64_t tokens) const;

    const nn::Linear* flux_embedding_ = nullptr;
    const nn::Linear* wavelength_embedding_ = nullptr;
    std::vector<const nn::TransformerBlock*> blocks_;
    const nn::LayerNorm* norm_ = nullptr;
    Tensor positions_;  // (longest, C)
};

}  // namespace balmer::vit
