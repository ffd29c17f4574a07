#pragma once
// A model directory as the ecosystem has it: config.json, model.safetensors (or an index and its
// shards) and preprocessor_config.json. What is saved here, transformers' ViTModel.from_pretrained
// loads with the same outputs (ViTForImageClassification where one head of one layer predicts a
// class), and the other way round. Balmer's own keys stand under "balmer" in config.json.

#include <memory>
#include <string>
#include <vector>

#include "vit/model.h"

namespace balmer::vit {

/// What a file of weights was and what became of its tensors; programs say it aloud.
struct PretrainedReport {
    std::string layout;               ///< "transformers", "timm", "balmer"
    std::vector<std::string> loaded;  ///< Balmer's names of parameters that were read
    std::vector<std::string>
        ignored;                     ///< the file's names of tensors that have no place (a pooler)
    std::vector<std::string> fresh;  ///< Balmer's names of parameters left as they were
    bool position_interpolated = false;
};

/// Builds the model that a directory describes and reads its weights; of a .safetensors file, the
/// config.json beside it counts. Every parameter must be there with its shape: FormatError listing
/// all that are missing, extra or misshapen, naming a tensor with NaN or infinity, or saying where
/// config.json and the weights, or id2label and the head, disagree. IoError if a file cannot be
/// read. A pooler is ignored (see `report`).
std::unique_ptr<Model> load_model(const std::string& directory_or_file, const Context& context = {},
                                  PretrainedReport* report = nullptr);

/// Reads config.json (and preprocessor_config.json where it is) of a directory.
ModelConfig load_config(const std::string& directory);

/// Writes the directory (made if absent); each file appears whole or not at all. IoError if the
/// system refuses.
void save_model(const Model& model, const std::string& directory);

/// Reads backbone weights of any layout into a model: transformers, timm, original DINO or Balmer's
/// own, with or without a prefix. Position embeddings of another grid are interpolated as
/// transformers does it. Heads are left as they are (`fresh`); heads and poolers of the file are
/// named in `ignored`. FormatError listing everything missing or misshapen.
PretrainedReport load_pretrained(Model& model, const std::string& file_or_directory);

}  // namespace balmer::vit
