#pragma once
// Features of ready-made images: how the engine is compared with another one on any weights.

#include <optional>
#include <string>

#include "vit/model.h"

namespace balmer::vit {

/// `pixel_values` [N, channels, H, W] of a safetensors file (F32; F64, F16 and BF16 are converted),
/// normalised as the model expects it. FormatError if it is not there, has another rank or holds
/// NaN or infinity.
Tensor read_pixel_values(const std::string& path, const Context& context = {});

struct EmbeddingOptions {
    std::int64_t batch = 16;
    std::optional<DType> precision;  ///< of the activations; unset: f32
};

/// Writes a safetensors file with `last_hidden_state` f32 [N, T, C], all tokens after the last
/// LayerNorm, and `cls` f32 [N, C], the first of them. No head is needed. Images of another size
/// than the model's are taken with interpolated position embeddings. UsageError for a model without
/// a class token.
void write_embeddings(const Model& model, const Tensor& pixels, const std::string& path,
                      const EmbeddingOptions& options = {});

}  // namespace balmer::vit
