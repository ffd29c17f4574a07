#include "bench/model_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "bench/operands.h"
#include "tensor/ops/losses.h"
#include "tensor/ops/shape.h"

namespace balmer::bench {

vit::ModelConfig tiny_model() {
    vit::ModelConfig tiny;
    tiny.image_size = 64;
    tiny.width = 128;
    tiny.layers = 2;
    return tiny;
}

vit::ModelConfig model_config(const std::string& model, const vit::ModelConfig& tiny,
                              std::int64_t classes) {
    vit::ModelConfig config = model == "tiny" ? tiny : vit::preset(model);
    if (model == "tiny") {
        config.attention_heads = std::max(1, config.width / 64);
        config.mlp_width = 4 * config.width;
    }
    vit::ModelConfig::Head head;
    head.target = "class";
    for (std::int64_t i = 0; i < classes; ++i) head.labels.push_back(fmt::format("{}", i));
    config.heads.push_back(std::move(head));
    return config;
}

ModelLoop::ModelLoop(BenchDevice& device, const vit::ModelConfig& config, DType precision,
                     std::int64_t batch)
    : precision_(precision),
      batch_(batch),
      model_(vit::make_model(config, /*seed=*/1, device.context())),
      optimiser_(model_->parameters(), {.weight_decay = 0.05}),
      labels_(Tensor::empty({batch}, DType::i64, device.context())) {
    Random random(2);
    const auto classes = static_cast<std::uint64_t>(config.heads.front().labels.size());
    std::vector<std::int64_t> labels(static_cast<std::size_t>(batch));
    for (auto& label : labels) label = static_cast<std::int64_t>(random.below(classes));
    device.copy_from_host(labels_.view().data, labels.data(), labels.size() * sizeof(std::int64_t));
}

void ModelLoop::train(const vit::ModelInput& input) {
    optimiser_.clear_gradients();
    const Tensor logits =
        forward(input, {.training = true, .random = &random_, .precision = precision_});
    loss_ = cross_entropy(logits, labels_, static_cast<double>(batch_));
    loss_.backward();
    const double norm = optimiser_.gradient_norm();
    optimiser_.step(1e-4, train::clip_factor(norm, 1.0));
}

void ModelLoop::infer(const vit::ModelInput& input) {
    const NoGrad no_grad;
    output_ = forward(input, {.precision = precision_});
}

double ModelLoop::check(BenchDevice& device) const {
    const Tensor& tensor = loss_.defined() ? loss_ : output_;
    const std::vector<double> values = to_host(device, tensor.view(), 0, tensor.numel());
    return std::accumulate(values.begin(), values.end(), 0.0);
}

Tensor ModelLoop::forward(const vit::ModelInput& input,
                          const vit::Model::ForwardOptions& options) const {
    if (!has_full_last_block_) return model_->forward(input, options).front();
    return model_->apply_heads(select(model_->tokens(input, options), 1, 0)).front();
}

}  // namespace balmer::bench
