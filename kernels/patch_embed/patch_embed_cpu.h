#pragma once
// The CPU's entries in the choice tables of patch_embed.

#include "kernels/patch_embed/patch_embed.h"

namespace balmer::kernels {

void patch_embed_plain(const Context& context, const PatchEmbedForward& arguments);
void patch_embed_backward_plain(const Context& context, const PatchEmbedBackward& arguments);
void extract_patches_plain(const Context& context, const ExtractPatches& arguments);

}  // namespace balmer::kernels
