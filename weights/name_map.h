#pragma once
// Names of vision transformer weights in the layouts that are in use, and Balmer's own.
//
// Balmer's (canonical) names: `cls_token`, `position_embedding`, `patch_embedding.{weight,bias}`,
// per block N `blocks.N.norm1`, `blocks.N.attention.qkv` (rows: query, key, value),
// `blocks.N.attention.projection`, `blocks.N.norm2`, `blocks.N.mlp.fc1`, `blocks.N.mlp.fc2` with
// `.weight` and `.bias`, and `norm.{weight,bias}`.
//
// Layouts:
//   "transformers"     files that transformers' ViTModel.save_pretrained writes (4.x and 5.x)
//   "transformers-v5"  the state_dict of transformers 5, where the names differ from its files
//   "timm"             timm and original DINO

#include <string>
#include <string_view>
#include <vector>

#include "weights/weight_checks.h"

namespace balmer::weights {

/// A canonical tensor and the tensors of a file that make it, stacked along the first dimension.
struct MappedTensor {
    std::string canonical;
    std::vector<std::string> sources;
};

/// What recognise_vit_names found; all names but the canonical ones are as in the file.
struct VitNames {
    std::string layout;
    std::string prefix;                 ///< "", "vit.", "module.backbone.", ...
    std::vector<MappedTensor> tensors;  ///< in the order of the model
    std::vector<std::string> ignored;   ///< heads, poolers, and whatever stands beside the prefix
    std::vector<std::string> unknown;   ///< inside the encoder, but of no ViT known here
};

/// Finds the layout and the prefix of the names of a file. Tensors need not be complete: the model
/// knows what it lacks (see source_shapes). FormatError naming `path` if no layout fits, or if
/// there are several vision transformers in one file.
VitNames recognise_vit_names(const std::string& path, const std::vector<std::string>& names);

/// Part `part` of `parts` equal row ranges of a canonical tensor, and its name in another layout.
struct SourceSlice {
    std::string name;
    int part = 0;
    int parts = 1;
};

/// The tensors that a canonical tensor becomes in `layout`, in row order: three for qkv in
/// transformers, else one. UsageError for a name that is not canonical.
std::vector<SourceSlice> to_layout_names(std::string_view layout, const std::string& canonical);

/// to_layout_names for what ViTModel.from_pretrained reads.
std::vector<SourceSlice> to_transformers_names(const std::string& canonical);

/// The tensors a file with these names must hold for a model whose canonical tensors have the
/// shapes `canonical`: what compare_names expects against the file's shapes less `ignored`.
NamedShapes source_shapes(const VitNames& names, const NamedShapes& canonical);

}  // namespace balmer::weights
