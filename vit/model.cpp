#include "vit/model.h"

#include <cmath>

#include "nn/initialise.h"
#include "tensor/ops.h"
#include "vit/spectrum_transformer.h"
#include "vit/vision_transformer.h"

namespace balmer::vit {
namespace {

constexpr const char* head_prefix = "heads.";

void initialise(const std::string& name, const Tensor& parameter, std::uint64_t seed,
                std::uint64_t stream) {
    if (name == "flux_embedding.weight" || name == "wavelength_embedding.weight") {
        const double inputs = static_cast<double>(parameter.size(1));
        nn::fill_uniform(parameter, 1.0 / std::sqrt(inputs), seed, stream);
    } else if (name == "cls_token" || parameter.rank() == 2) {
        nn::fill_truncated_normal(parameter, 0.02, seed, stream);
    }
}

}  // namespace

Model::Model(const ModelConfig& config, const Context& context)
    : config_(config), context_(context) {}

Model::HeadLayers::HeadLayers(std::int64_t width, int layers, int outputs, const Context& context) {
    for (int i = 0; i < layers; ++i) {
        const std::int64_t out = i + 1 == layers ? outputs : width;
        linears.push_back(&register_module(
            std::to_string(i), std::make_unique<nn::Linear>(width, out, true, context)));
    }
}

std::vector<const nn::TransformerBlock*> Model::register_blocks() {
    std::vector<const nn::TransformerBlock*> blocks;
    for (int i = 0; i < config_.layers; ++i) {
        nn::TransformerBlock::Options options;
        options.width = config_.width;
        options.heads = config_.attention_heads;
        options.mlp_width = config_.mlp_width;
        options.epsilon = config_.layer_norm_epsilon;
        options.qkv_bias = config_.qkv_bias;
        options.drop_path =
            config_.layers == 1 ? config_.drop_path : config_.drop_path * i / (config_.layers - 1);
        blocks.push_back(
            &register_module("blocks." + std::to_string(i),
                             std::make_unique<nn::TransformerBlock>(options, context_)));
    }
    return blocks;
}

void Model::register_heads() {
    for (const auto& head : config_.heads) {
        head_layers_.push_back(
            &register_module(head_prefix + head.target,
                             std::make_unique<HeadLayers>(config_.width, config_.head_layers,
                                                          head.outputs(), context_)));
    }
}

std::vector<Tensor> Model::forward(const ModelInput& input, const ForwardOptions& options) const {
    return apply_heads(features(input, options));
}

std::vector<Tensor> Model::apply_heads(const Tensor& features) const {
    std::vector<Tensor> outputs;
    for (const auto* head : head_layers_) {
        Tensor x = features;
        for (std::size_t i = 0; i < head->linears.size(); ++i) {
            x = head->linears[i]->forward(i == 0 ? x : relu(x));
        }
        outputs.push_back(x);
    }
    return outputs;
}

bool Model::is_head_parameter(const std::string& name) {
    return name.starts_with(head_prefix);
}

void Model::set_backbone_requires_grad(bool value) {
    for (auto& [name, tensor] : parameters()) {
        if (!is_head_parameter(name)) tensor.set_requires_grad(value);
    }
}

std::unique_ptr<Model> build_model(const ModelConfig& config, const Context& context) {
    validate(config);
    if (config.architecture == "vit") return std::make_unique<VisionTransformer>(config, context);
    return std::make_unique<SpectrumTransformer>(config, context);
}

std::unique_ptr<Model> make_model(const ModelConfig& config, std::uint64_t seed,
                                  const Context& context) {
    auto model = build_model(config, context);
    std::uint64_t stream = 0;
    for (const auto& [name, tensor] : model->parameters()) initialise(name, tensor, seed, stream++);
    return model;
}

}  // namespace balmer::vit
