#include "vit/stored_weights.h"

#include <algorithm>

#include "kernels/core/error.h"
#include "weights/name_map.h"

namespace balmer::vit {
namespace {

StoredWeights match_vit_backbone(const Model& model, const weights::CheckpointSource& source) {
    const auto names = weights::recognise_vit_names(source.path(), source.names());
    StoredWeights stored;
    stored.layout = names.layout;
    stored.ignored = names.ignored;
    weights::NamedShapes canonical;
    for (const auto& [name, tensor] : model.parameters()) {
        if (Model::is_head_parameter(name)) continue;
        canonical[name] = shape_in_files(model.config(), name, tensor.shape());
        StoredParameter parameter{name, tensor, {}};
        for (const auto& slice : weights::to_layout_names(names.layout, name)) {
            parameter.sources.push_back(names.prefix + slice.name);
        }
        stored.parameters.push_back(parameter);
    }
    stored.expected = weights::source_shapes(names, canonical);
    return stored;
}

/// The target of the head that ViTForImageClassification reads, "" if there is none.
std::string classifier_target(const ModelConfig& config) {
    std::string target;
    if (config.architecture != "vit" || config.head_layers != 1) return target;
    for (const auto& head : config.heads) {
        if (!head.is_classification()) continue;
        if (!target.empty()) return "";
        target = head.target;
    }
    return target;
}

StoredWeights match_own_backbone(const Model& model, const weights::CheckpointSource& source) {
    StoredWeights stored;
    stored.layout = "balmer";
    for (const auto& [name, tensor] : model.parameters()) {
        if (Model::is_head_parameter(name)) continue;
        stored.parameters.push_back({name, tensor, {name}});
        stored.expected[name] = tensor.shape();
    }
    for (const auto& name : source.names()) {
        if (Model::is_head_parameter(name)) stored.ignored.push_back(name);
    }
    return stored;
}

}  // namespace

StoredWeights match_backbone(const Model& model, const weights::CheckpointSource& source) {
    return model.config().architecture == "vit" ? match_vit_backbone(model, source)
                                                : match_own_backbone(model, source);
}

StoredWeights match_model(const Model& model, const weights::CheckpointSource& source) {
    StoredWeights stored = match_backbone(model, source);
    // A head of Balmer's that the configuration does not know is a fault, not somebody's pooler.
    std::erase_if(stored.ignored,
                  [](const std::string& name) { return Model::is_head_parameter(name); });
    for (const auto& [name, tensor] : model.parameters()) {
        if (!Model::is_head_parameter(name)) continue;
        const std::string file_name = stored_head_name(model.config(), name);
        std::erase(stored.ignored, file_name);
        stored.parameters.push_back({name, tensor, {file_name}});
        stored.expected[file_name] = tensor.shape();
    }
    return stored;
}

void expect_match(const StoredWeights& stored, const weights::CheckpointSource& source) {
    weights::NamedShapes found = source.shapes();
    for (const auto& name : stored.ignored) found.erase(name);
    weights::compare_names(source.path(), stored.expected, found);
}

std::vector<float> read_finite(const weights::CheckpointSource& source,
                               const std::vector<std::string>& names) {
    std::vector<float> values(static_cast<std::size_t>(source.stacked_shape(names).numel()));
    float* destination = values.data();
    for (const auto& name : names) {
        const Shape& shape = source.info(name).shape;
        source.read_as_f32(name, destination);
        weights::expect_finite(source.path(), name, View(destination, DType::f32, shape));
        destination += shape.numel();
    }
    return values;
}

Shape shape_in_files(const ModelConfig& config, const std::string& name, const Shape& shape) {
    const std::int64_t p = config.patch_size;
    if (name == "cls_token") return {1, 1, shape[0]};
    if (name == "position_embedding") return {1, shape[0], shape[1]};
    if (name == "patch_embedding.weight") return {shape[0], config.channels, p, p};
    return shape;
}

std::string stored_head_name(const ModelConfig& config, const std::string& name) {
    const std::string target = classifier_target(config);
    const std::string own_prefix = "heads." + target + ".0.";
    if (target.empty() || !name.starts_with(own_prefix)) return name;
    return "classifier." + name.substr(own_prefix.size());
}

std::string stored_prefix(const ModelConfig& config) {
    return classifier_target(config).empty() ? "" : "vit.";
}

}  // namespace balmer::vit
