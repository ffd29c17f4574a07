#pragma once
// The device's entries in the choice tables of patch_embed: on tensor cores where bf16 operands are
// aligned to runs of 8, in plain multiply-adds for every other size and for f32.

#include <string>

#include "kernels/patch_embed/patch_embed.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_patch_embed_mma(const Context& context, const PatchEmbedForward& arguments);
template <DeviceType device>
void patch_embed_mma(const Context& context, const PatchEmbedForward& arguments);
template <DeviceType device>
std::string accepts_patch_embed_device(const Context& context, const PatchEmbedForward& arguments);
template <DeviceType device>
void patch_embed_device(const Context& context, const PatchEmbedForward& arguments);

template <DeviceType device>
std::string accepts_patch_embed_backward_mma(const Context& context,
                                             const PatchEmbedBackward& arguments);
template <DeviceType device>
void patch_embed_backward_mma(const Context& context, const PatchEmbedBackward& arguments);
template <DeviceType device>
std::string accepts_patch_embed_backward_device(const Context& context,
                                                const PatchEmbedBackward& arguments);
template <DeviceType device>
void patch_embed_backward_device(const Context& context, const PatchEmbedBackward& arguments);

template <DeviceType device>
std::string accepts_extract_patches_device(const Context& context, const ExtractPatches& arguments);
template <DeviceType device>
void extract_patches_device(const Context& context, const ExtractPatches& arguments);

}  // namespace balmer::kernels
