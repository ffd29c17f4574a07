#pragma once
// A model that learns one batch, as benchmarks run it: the engine's own training step and
// inference.

#include <cstdint>
#include <memory>
#include <string>

#include "bench/device.h"
#include "kernels/core/random.h"
#include "tensor/tensor.h"
#include "train/optimiser.h"
#include "vit/model.h"

namespace balmer::bench {

/// The sizes of --model tiny.
vit::ModelConfig tiny_model();

/// A preset (vit-b16, transformer-1d, ...), or `tiny` for "tiny"; its head tells `classes` apart.
vit::ModelConfig model_config(const std::string& model, const vit::ModelConfig& tiny,
                              std::int64_t classes);

class ModelLoop {
  public:
    ModelLoop(BenchDevice& device, const vit::ModelConfig& config, DType precision,
              std::int64_t batch);

    /// Every token of the last block, not only the class token, as other frameworks do.
    void compute_full_last_block() { has_full_last_block_ = true; }

    void train(const vit::ModelInput& input);
    void infer(const vit::ModelInput& input);

    /// The last loss, or the sum of the logits: NaN or infinite where something went wrong.
    double check(BenchDevice& device) const;
    std::int64_t parameters() const { return model_->parameter_count(); }

  private:
    Tensor forward(const vit::ModelInput& input, const vit::Model::ForwardOptions& options) const;

    DType precision_;
    bool has_full_last_block_ = false;
    std::int64_t batch_;
    std::unique_ptr<vit::Model> model_;
    train::AdamW optimiser_;
    Tensor labels_;
    Tensor loss_;
    Tensor output_;
    Random random_{3};
};

}  // namespace balmer::bench
