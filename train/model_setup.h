#pragma once
// The model a run begins with: a preset or a pretrained one, with heads for the run's targets.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/task.h"
#include "vit/model.h"

namespace balmer::train {

struct ModelSetup {
    std::string preset;      ///< empty: the pretrained directory's own architecture
    std::string pretrained;  ///< a directory or .safetensors file; empty: random weights
    bool new_heads = false;  ///< do not take over the pretrained heads
    int image_size = 0;      ///< 0: the preset's or the pretrained model's
    int patch_pixels = 0;    ///< transformer-1d, likewise
    int head_layers = 0;     ///< 0: those of the pretrained heads where they are kept, else 1
    double drop_path = 0.0;
    std::uint64_t seed = 42;
    /// How spectra become images; what is absent is as the pretrained model has it, else default.
    std::map<std::string, std::string> image;
    /// The heads that the training data ask for.
    std::vector<Head> heads;
};

/// Builds the model. What was read from where, what is new, ignored or interpolated goes to `say`,
/// a line each. A pretrained head is kept, with its labels and statistics, where it has the same
/// target, at least the labels of the data, and as many layers. UsageError where the options and
/// the pretrained model disagree; what load_pretrained throws otherwise.
std::unique_ptr<vit::Model> set_up_model(const ModelSetup& setup, const Context& context,
                                         const std::function<void(const std::string&)>& say);

}  // namespace balmer::train
