#include "vit/vision_transformer.h"

#include "kernels/core/error.h"
#include "tensor/ops.h"

namespace balmer::vit {
namespace {

/// The grid of patches an image makes; that of the model for patch rows.
Grid grid_of(const Tensor& pixels, const ModelConfig& config) {
    const std::int64_t p = config.patch_size;
    const Grid own{config.grid(), config.grid()};
    if (pixels.rank() == 3) {
        if (pixels.size(1) != own.size() || pixels.size(2) != config.channels * p * p) {
            throw_shape_error("vision transformer", {pixels},
                              "expected patch rows [B, " + std::to_string(own.size()) + ", " +
                                  std::to_string(config.channels * p * p) + "]");
        }
        return own;
    }
    if (pixels.rank() != 4 || pixels.size(1) != config.channels || pixels.size(2) < p ||
        pixels.size(3) < p || pixels.size(2) % p != 0 || pixels.size(3) % p != 0) {
        throw_shape_error("vision transformer", {pixels},
                          "expected images [B, " + std::to_string(config.channels) +
                              ", H, W] with H and W multiples of " + std::to_string(p));
    }
    return {pixels.size(2) / p, pixels.size(3) / p};
}

}  // namespace

VisionTransformer::VisionTransformer(const ModelConfig& config, const Context& context)
    : Model(config, context) {
    const std::int64_t C = config.width;
    const std::int64_t N = std::int64_t{config.grid()} * config.grid();
    const std::int64_t p = config.patch_size;
    cls_token_ = register_parameter("cls_token", Tensor::zeros({C}, DType::f32, context));
    position_embedding_ =
        register_parameter("position_embedding", Tensor::zeros({1 + N, C}, DType::f32, context));
    patch_embedding_ = &register_module(
        "patch_embedding", std::make_unique<nn::Linear>(config.channels * p * p, C, true, context));
    blocks_ = register_blocks();
    norm_ = &register_module(
        "norm", std::make_unique<nn::LayerNorm>(C, config.layer_norm_epsilon, context));
    register_heads();
}

Tensor VisionTransformer::encode(const ModelInput& input, const ForwardOptions& options) const {
    if (!input.pixels.defined()) throw UsageError("a vision transformer needs pixels");
    const Tensor pixels = cast(input.pixels, options.precision.value_or(input.pixels.dtype()));
    const Grid own{config().grid(), config().grid()};
    const Tensor position =
        interpolate_position(position_embedding_, own, grid_of(pixels, config()));
    Tensor x = patch_embed(pixels, patch_embedding_->weight, patch_embedding_->bias, cls_token_,
                           position, config().patch_size);  // (B, 1 + N, C)
    for (std::size_t i = 0; i + 1 < blocks_.size(); ++i) x = blocks_[i]->forward(x, {}, options);
    return x;
}

Tensor VisionTransformer::features(const ModelInput& input, const ForwardOptions& options) const {
    const Tensor cls = blocks_.back()->forward_first(encode(input, options), {}, options);
    return norm_->forward(cast(select(cls, 1, 0), DType::f32));  // (B, C)
}

Tensor VisionTransformer::tokens(const ModelInput& input, const ForwardOptions& options) const {
    const Tensor x = blocks_.back()->forward(encode(input, options), {}, options);
    return norm_->forward(cast(x, DType::f32));  // (B, T, C)
}

}  // namespace balmer::vit
