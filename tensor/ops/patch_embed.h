#pragma once
#include "tensor/tensor.h"

namespace balmer {

/// Image to tokens; see kernels/patch_embed/patch_embed.h. image [B, channels, height, width] or
/// patch rows [B, N, channels * p * p]; weight [C, channels * p * p] (kept in the statistics dtype
/// of image, read in image's own), bias [C], cls [C], position [1 + N, C] -> [B, 1 + N, C].
Tensor patch_embed(const Tensor& image, const Tensor& weight, const Tensor& bias, const Tensor& cls,
                   const Tensor& position, std::int64_t patch_size);

}  // namespace balmer
