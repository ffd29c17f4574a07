#pragma once
// An image becomes tokens (Dosovitskiy et al. 2021, arXiv:2010.11929, eq. 1):
//   out[b, 0]     = cls + position[0]
//   out[b, 1 + n] = weight * patch(b, n) + bias + position[1 + n]
// A patch is flattened channel first: element (c * p + i) * p + j is pixel (i, j) of channel c, as
// a convolution weight [C, channels, p, p] is.

#include "kernels/core/view.h"

namespace balmer::kernels {

/// image [B, channels, height, width] contiguous, or patch rows [B, N, channels * p * p] made by
/// `extract_patches` or by a renderer; weight [C, channels * p * p], bias [C], cls [C],
/// position [1 + N, C], out [B, 1 + N, C]. image, weight and out share one floating dtype; bias,
/// cls and position have its statistics dtype. N = (height / p) * (width / p), row-major.
struct PatchEmbedForward {
    View image;
    View weight;
    View bias;
    View cls;
    View position;
    std::int64_t patch_size = 16;
    View out;
};

/// Gradients of patch_embed, overwritten. Parameter gradients have statistics dtype.
/// image_gradient [as image] is optional.
struct PatchEmbedBackward {
    View out_gradient;
    View image;
    View weight;
    std::int64_t patch_size = 16;
    View image_gradient;  ///< optional
    View weight_gradient;
    View bias_gradient;
    View cls_gradient;
    View position_gradient;
};

void patch_embed(const Context& context, const PatchEmbedForward& arguments);
void patch_embed_backward(const Context& context, const PatchEmbedBackward& arguments);

/// image [B, channels, height, width] -> rows [B, N, channels * p * p], same dtype, contiguous.
struct ExtractPatches {
    View image;
    std::int64_t patch_size = 16;
    View rows;
};
void extract_patches(const Context& context, const ExtractPatches& arguments);

}  // namespace balmer::kernels
