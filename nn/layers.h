#pragma once
// The layers of a transformer. Constructors make parameters with their neutral values (zeros; ones
// for the scale of a LayerNorm); `initialise` (nn/initialise.h) or a file fills them.

#include <optional>

#include "kernels/core/random.h"
#include "nn/module.h"

namespace balmer::nn {

/// What a forward pass may depend on besides its input.
struct ForwardOptions {
    bool training = false;     ///< drop path is active
    Random* random = nullptr;  ///< draws what is dropped; needed only then
    std::optional<DType> precision =
        std::nullopt;  ///< of activations (f32, bf16); else the input's
};

/// y = x weight^T + bias, over the last dimension. weight [out, in], bias [out] (undefined
/// without).
class Linear : public Module {
  public:
    Linear(std::int64_t in, std::int64_t out, bool with_bias = true, const Context& context = {});

    /// x [..., in] -> [..., out], plus `residual` [..., out] where it is defined.
    Tensor forward(const Tensor& x, const Tensor& residual = {}) const;

    const Tensor weight;
    const Tensor bias;
};

/// Normalisation over the last dimension. weight and bias [width].
class LayerNorm : public Module {
  public:
    LayerNorm(std::int64_t width, double epsilon, const Context& context = {});

    /// x [..., width] -> same shape.
    Tensor forward(const Tensor& x) const;

    const Tensor weight;
    const Tensor bias;
    const double epsilon;
};

/// Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762) with query, key and value in
/// one projection `qkv` [3 * width, width], in this order, and an output `projection`.
class MultiHeadAttention : public Module {
  public:
    /// UsageError unless `heads` divides `width`.
    MultiHeadAttention(std::int64_t width, std::int64_t heads, bool qkv_bias,
                       const Context& context = {});

    /// x [B, T, width] -> [B, T, width], plus `residual` where it is defined. key_mask u8 [B, T]
    /// (0: nobody attends to this token) may be undefined.
    Tensor forward(const Tensor& x, const Tensor& key_mask = {}, const Tensor& residual = {}) const;

    /// The first token of that alone, which attends to all: x [B, T, width], residual [B, 1, width]
    /// -> [B, 1, width].
    Tensor forward_first(const Tensor& x, const Tensor& key_mask = {},
                         const Tensor& residual = {}) const;

    const std::int64_t heads;
    const Linear& qkv;
    const Linear& projection;

  private:
    /// x [B, T, width] -> [B, T, 3, heads, D].
    Tensor packed_projection(const Tensor& x) const;
};

/// fc2(gelu(fc1(x))) with the exact GELU.
class Mlp : public Module {
  public:
    Mlp(std::int64_t width, std::int64_t hidden, const Context& context = {});

    /// x [..., width] -> [..., width], plus `residual` where it is defined.
    Tensor forward(const Tensor& x, const Tensor& residual = {}) const;

    const Linear& fc1;
    const Linear& fc2;
};

/// A pre-norm encoder block: x += attention(norm1(x)); x += mlp(norm2(x)).
class TransformerBlock : public Module {
  public:
    struct Options {
        std::int64_t width = 0;
        std::int64_t heads = 0;
        std::int64_t mlp_width = 0;
        double epsilon = 1e-12;
        bool qkv_bias = true;
        double drop_path = 0.0;  ///< probability that a branch is left out, per sample
    };
    explicit TransformerBlock(const Options& options, const Context& context = {});

    /// x [B, T, width] -> [B, T, width].
    Tensor forward(const Tensor& x, const Tensor& key_mask = {},
                   const ForwardOptions& options = {}) const;

    /// The first token of that alone, [B, 1, width]: what a last block costs less for a class
    /// token.
    Tensor forward_first(const Tensor& x, const Tensor& key_mask = {},
                         const ForwardOptions& options = {}) const;

    const LayerNorm& norm1;
    const MultiHeadAttention& attention;
    const LayerNorm& norm2;
    const Mlp& mlp;

  private:
    Tensor run(const Tensor& x, const Tensor& key_mask, const ForwardOptions& options,
               bool first_token_only) const;

    double drop_path_;
};

}  // namespace balmer::nn
