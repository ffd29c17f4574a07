#pragma once
// Model configurations as the JSON of a model directory.

#include <string>

#include "vit/config.h"

namespace balmer::vit {

/// config.json: the keys transformers gives a ViT, and Balmer's own under "balmer".
std::string config_to_json(const ModelConfig& config);

/// The other way round, for what Balmer or transformers wrote; `path` names the file in errors.
/// FormatError for unsound JSON, a key of the wrong type, an unknown key under "balmer" (with the
/// nearest one suggested), a later format, another kind of model, labels that contradict each
/// other, or sizes that make no model. Other keys of transformers have no influence and are left.
ModelConfig config_from_json(const std::string& path, const std::string& text);

/// preprocessor_config.json, as transformers' ViTImageProcessor reads it.
std::string preprocessor_to_json(const ModelConfig& config);

/// Takes over mean and deviation of the pixels; FormatError as above.
void read_preprocessor_json(const std::string& path, const std::string& text, ModelConfig& config);

}  // namespace balmer::vit
