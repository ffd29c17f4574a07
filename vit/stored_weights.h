#pragma once
// How the parameters of a model stand in files of weights.

#include <string>
#include <vector>

#include "vit/model.h"
#include "weights/checkpoint_source.h"

namespace balmer::vit {

/// One parameter of a model and the tensors of a file that make it, stacked along the first
/// dimension.
struct StoredParameter {
    std::string name;
    Tensor tensor;
    std::vector<std::string> sources;
};

/// What belongs to what between a model and a file.
struct StoredWeights {
    std::string layout;
    std::vector<StoredParameter> parameters;
    weights::NamedShapes expected;     ///< tensors that the file must hold
    std::vector<std::string> ignored;  ///< tensors that the file holds besides
};

/// Matches the backbone of a model with the names in a file, whatever their layout and prefix.
/// FormatError if no layout fits.
StoredWeights match_backbone(const Model& model, const weights::CheckpointSource& source);

/// Matches the whole model with a file that Balmer or transformers saved.
StoredWeights match_model(const Model& model, const weights::CheckpointSource& source);

/// FormatError listing every tensor of the file that is missing, misshapen, or neither expected nor
/// ignored.
void expect_match(const StoredWeights& stored, const weights::CheckpointSource& source);

/// Reads tensors one after the other to the host. FormatError naming one with NaN or infinity.
std::vector<float> read_finite(const weights::CheckpointSource& source,
                               const std::vector<std::string>& names);

/// The shape of a parameter of a ViT in files of every layout, which keep batch dimensions and the
/// form of a convolution's weight: [1, 1, C] for the class token, [1, 1 + N, C] for positions, [C,
/// channels, p, p] for the projection of patches.
Shape shape_in_files(const ModelConfig& config, const std::string& name, const Shape& shape);

/// The name of a head's parameter in a model directory: "classifier.weight" where transformers has
/// a place for it, else its own.
std::string stored_head_name(const ModelConfig& config, const std::string& name);

/// What the names of the backbone begin with in a model directory: "vit." or "".
std::string stored_prefix(const ModelConfig& config);

}  // namespace balmer::vit
