#include "nn/layers.h"

#include <cmath>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tensor/ops.h"

namespace balmer::nn {

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias, const Context& context)
    : weight(register_parameter("weight", Tensor::zeros({out, in}, DType::f32, context))),
      bias(with_bias ? register_parameter("bias", Tensor::zeros({out}, DType::f32, context))
                     : Tensor()) {}

Tensor Linear::forward(const Tensor& x, const Tensor& residual) const {
    return linear(x, weight, bias, residual);
}

LayerNorm::LayerNorm(std::int64_t width, double epsilon, const Context& context)
    : weight(register_parameter("weight", Tensor::full({width}, 1.0, DType::f32, context))),
      bias(register_parameter("bias", Tensor::zeros({width}, DType::f32, context))),
      epsilon(epsilon) {}

Tensor LayerNorm::forward(const Tensor& x) const {
    return layer_norm(x, weight, bias, epsilon);
}

MultiHeadAttention::MultiHeadAttention(std::int64_t width, std::int64_t heads, bool qkv_bias,
                                       const Context& context)
    : heads(heads),
      qkv(register_module("qkv", std::make_unique<Linear>(width, 3 * width, qkv_bias, context))),
      projection(
          register_module("projection", std::make_unique<Linear>(width, width, true, context))) {
    if (heads <= 0 || width % heads != 0) {
        throw UsageError("attention: " + std::to_string(heads) + " heads do not divide the width " +
                         std::to_string(width));
    }
}

Tensor MultiHeadAttention::packed_projection(const Tensor& x) const {
    return reshape(qkv.forward(x), {x.size(0), x.size(1), 3, heads, x.size(2) / heads});
}

Tensor MultiHeadAttention::forward(const Tensor& x, const Tensor& key_mask,
                                   const Tensor& residual) const {
    const Tensor packed = packed_projection(x);  // (B, T, 3, H, D)
    const double scale = 1.0 / std::sqrt(static_cast<double>(packed.size(4)));
    const Tensor context = packed_attention(packed, key_mask, scale);  // (B, T, H, D)
    return projection.forward(reshape(context, x.shape()), residual);
}

Tensor MultiHeadAttention::forward_first(const Tensor& x, const Tensor& key_mask,
                                         const Tensor& residual) const {
    const Tensor packed = packed_projection(x);  // (B, T, 3, H, D)
    const double scale = 1.0 / std::sqrt(static_cast<double>(packed.size(4)));
    const Tensor query = slice(select(packed, 2, 0), 1, 0, 1);
    const Tensor context = balmer::attention(query, select(packed, 2, 1), select(packed, 2, 2),
                                             key_mask, scale);  // (B, 1, H, D)
    return projection.forward(reshape(context, x.shape().with(1, 1)), residual);
}

Mlp::Mlp(std::int64_t width, std::int64_t hidden, const Context& context)
    : fc1(register_module("fc1", std::make_unique<Linear>(width, hidden, true, context))),
      fc2(register_module("fc2", std::make_unique<Linear>(hidden, width, true, context))) {}

Tensor Mlp::forward(const Tensor& x, const Tensor& residual) const {
    return mlp(x, fc1.weight, fc1.bias, fc2.weight, fc2.bias, residual);
}

TransformerBlock::TransformerBlock(const Options& options, const Context& context)
    : norm1(register_module("norm1",
                            std::make_unique<LayerNorm>(options.width, options.epsilon, context))),
      attention(register_module("attention",
                                std::make_unique<MultiHeadAttention>(options.width, options.heads,
                                                                     options.qkv_bias, context))),
      norm2(register_module("norm2",
                            std::make_unique<LayerNorm>(options.width, options.epsilon, context))),
      mlp(register_module("mlp", std::make_unique<Mlp>(options.width, options.mlp_width, context))),
      drop_path_(options.drop_path) {}

Tensor TransformerBlock::forward(const Tensor& x, const Tensor& key_mask,
                                 const ForwardOptions& options) const {
    return run(x, key_mask, options, false);
}

Tensor TransformerBlock::forward_first(const Tensor& x, const Tensor& key_mask,
                                       const ForwardOptions& options) const {
    return run(x, key_mask, options, true);
}

Tensor TransformerBlock::run(const Tensor& x, const Tensor& key_mask, const ForwardOptions& options,
                             bool first_token_only) const {
    const Tensor residual = first_token_only ? slice(x, 1, 0, 1) : x;
    const auto attend = [&](const Tensor& added) {
        const Tensor normalised = norm1.forward(x);
        return first_token_only ? attention.forward_first(normalised, key_mask, added)
                                : attention.forward(normalised, key_mask, added);
    };
    if (!options.training || drop_path_ == 0.0) {
        const Tensor attended = attend(residual);
        return mlp.forward(norm2.forward(attended), attended);
    }
    if (options.random == nullptr) {
        throw UsageError("drop path: training needs a source of random numbers");
    }
    Random& random = *options.random;
    const Tensor attended = drop_path(attend({}), drop_path_, random, residual);
    return drop_path(mlp.forward(norm2.forward(attended)), drop_path_, random, attended);
}

}  // namespace balmer::nn
