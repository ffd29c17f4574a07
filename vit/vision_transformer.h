#pragma once
// The vision transformer: Dosovitskiy et al. 2021, arXiv:2010.11929, with pre-norm blocks; the
// network of DINO (Caron et al. 2021, arXiv:2104.14294).
//   x = [class token; patches] + positions; blocks; LayerNorm

#include <vector>

#include "vit/model.h"
#include "vit/position_embedding.h"

namespace balmer::vit {

class VisionTransformer : public Model {
  public:
    VisionTransformer(const ModelConfig& config, const Context& context);

    Tensor features(const ModelInput& input, const ForwardOptions& options = {}) const override;
    Tensor tokens(const ModelInput& input, const ForwardOptions& options = {}) const override;

  private:
    /// [B, T, C] before the last block.
    Tensor encode(const ModelInput& input, const ForwardOptions& options) const;

    Tensor cls_token_;           // (C)
    Tensor position_embedding_;  // (1 + N, C)
    const nn::Linear* patch_embedding_ = nullptr;
    std::vector<const nn::TransformerBlock*> blocks_;
    const nn::LayerNorm* norm_ = nullptr;
};

}  // namespace balmer::vit
