#pragma once
// A model's answers: from head outputs to probabilities and values.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/pack/packed_set.h"
#include "tensor/tensor.h"
#include "train/prediction.h"

namespace balmer::train {

/// Half-widths of the answers of regression heads, by target: the NMAD of the validation set. For z
/// it is that of (z - z_true) / (1 + z_true).
using Uncertainties = std::map<std::string, double>;

/// Those of a run of vit-train (its validation.json); empty for another directory.
Uncertainties run_uncertainties(const std::string& run);

/// Fills the outputs of rows[i] from row i of the head outputs (logits or standardised values):
/// softmax probabilities, or {value, uncertainty} with NaN for an unknown one.
void decode_outputs(const std::vector<vit::ModelConfig::Head>& heads,
                    const std::vector<Tensor>& outputs, const Uncertainties& uncertainties,
                    std::span<PredictionRow> rows);

/// What a prediction says about its input.
PredictionRow describe(const data::Spectrum& description, std::optional<double> snr);
PredictionRow describe(const data::PackedSet& set, std::int64_t row);

}  // namespace balmer::train
