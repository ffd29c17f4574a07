#pragma once
// Features of ready-made images: how the engine is compared with another one on any weights.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vit/model.h"

namespace balmer::vit {

/// `pixel_values` [N, channels, H, W] of a safetensors file (F32; F64, F16 and BF16 are converted),
/// normalised as the model expects it; f32. FormatError if it is not there, has another rank, is
/// empty or holds NaN or infinity.
Tensor read_pixel_values(const std::string& path, const Context& context = {});

struct EmbeddingOptions {
    std::int64_t batch = 16;              ///< images computed at a time
    std::optional<DType> precision = {};  ///< of the activations; unset: f32
};

/// Takes the tokens f32 [n, T, C] of images `first` to `first + n - 1`; false wants no more.
using TokenSink = std::function<bool(std::int64_t first, const Tensor& tokens)>;

/// Hands the sink all tokens after the last LayerNorm, of [N, channels, H, W] images, a batch at a
/// time and without gradients. No head is needed. Images of another size than the model's are taken
/// with interpolated position embeddings. UsageError for a model that takes no images or for a
/// batch below 1, ShapeError for images that it cannot cut into patches.
void embed_pixels(const Model& model, const Tensor& pixels, const EmbeddingOptions& options,
                  const TokenSink& sink);

/// Writes features as a safetensors file, atomically: `cls` f32 [N, C] and, where there are parts,
/// `last_hidden_state` f32 [N, T, C], the parts one behind the other.
void write_embeddings(const std::string& path, const Tensor& cls,
                      const std::vector<Tensor>& token_parts = {});

}  // namespace balmer::vit
