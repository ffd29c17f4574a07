#include "vit/model_directory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "kernels/core/error.h"
#include "nn/initialise.h"
#include "vit/config_json.h"
#include "vit/stored_weights.h"
#include "weights/atomic_file.h"
#include "weights/file.h"
#include "weights/name_map.h"
#include "weights/safetensors.h"

namespace balmer::vit {
namespace {

namespace fs = std::filesystem;

/// Sizes of a ViT as the tensors of a file show them; 0 where the tensor is not there.
struct Sizes {
    std::int64_t width = 0;
    std::int64_t layers = 0;
    std::int64_t mlp_width = 0;
    std::int64_t channels = 0;
    std::int64_t patch_size = 0;
    std::int64_t patches = 0;
    std::optional<bool> qkv_bias;
};

Sizes sizes_of(const weights::CheckpointSource& source) {
    const auto names = weights::recognise_vit_names(source.path(), source.names());
    std::map<std::string, Shape> shapes;
    Sizes sizes;
    for (const auto& tensor : names.tensors) {
        shapes[tensor.canonical] = source.info(tensor.sources.front()).shape;
        if (tensor.canonical.starts_with("blocks.")) {
            const std::int64_t block = std::stoll(tensor.canonical.substr(7));
            sizes.layers = std::max(sizes.layers, block + 1);
        }
    }
    const auto size = [&shapes](const char* name, int rank, int dimension) -> std::int64_t {
        const auto found = shapes.find(name);
        const bool is_there = found != shapes.end() && found->second.rank() == rank;
        return is_there ? found->second[dimension] : 0;
    };
    sizes.width = size("norm.weight", 1, 0);
    sizes.mlp_width = size("blocks.0.mlp.fc1.weight", 2, 0);
    sizes.channels = size("patch_embedding.weight", 4, 1);
    sizes.patch_size = size("patch_embedding.weight", 4, 2);
    sizes.patches = size("position_embedding", 3, 1) - 1;
    if (shapes.contains("blocks.0.attention.qkv.weight")) {
        sizes.qkv_bias = shapes.contains("blocks.0.attention.qkv.bias");
    }
    return sizes;
}

/// FormatError naming every key of the configuration that the weights contradict.
void expect_sizes(const std::string& config_path, const ModelConfig& config,
                  const weights::CheckpointSource& source) {
    std::vector<std::string> differences;
    const auto compare = [&](const char* key, std::int64_t said, std::int64_t found) {
        if (found > 0 && said != found) {
            differences.push_back(
                fmt::format("{} is {} but the weights have {}", key, said, found));
        }
    };
    if (config.architecture == "vit") {
        const Sizes sizes = sizes_of(source);
        compare("hidden_size", config.width, sizes.width);
        compare("num_hidden_layers", config.layers, sizes.layers);
        compare("intermediate_size", config.mlp_width, sizes.mlp_width);
        compare("num_channels", config.channels, sizes.channels);
        compare("patch_size", config.patch_size, sizes.patch_size);
        const std::int64_t patches = std::int64_t{config.grid()} * config.grid();
        if (differences.empty() && sizes.patches > 0 && sizes.patches != patches) {
            differences.push_back(
                fmt::format("image_size {} makes {} patches but the weights have positions of {}",
                            config.image_size, patches, sizes.patches));
        }
        if (sizes.qkv_bias.value_or(config.qkv_bias) != config.qkv_bias) {
            differences.push_back(fmt::format("qkv_bias is {} but the weights have {}",
                                              config.qkv_bias,
                                              *sizes.qkv_bias ? "such biases" : "none"));
        }
    }
    for (const auto& head : config.heads) {
        const std::string name = stored_head_name(
            config, fmt::format("heads.{}.{}.weight", head.target, config.head_layers - 1));
        if (!source.contains(name)) continue;
        const Shape& shape = source.info(name).shape;
        if (shape.rank() != 2 || shape[0] == head.outputs()) continue;
        differences.push_back(
            head.is_classification()
                ? fmt::format("id2label names {} classes but the head '{}' has {} outputs",
                              head.labels.size(), head.target, shape[0])
                : fmt::format("the head '{}' predicts a number but has {} outputs", head.target,
                              shape[0]));
    }
    if (!differences.empty()) {
        throw FormatError(config_path,
                          fmt::format("{} ({})", fmt::join(differences, "; "), source.path()));
    }
}

/// FormatError where a configuration asks for far more memory than its file of weights could fill.
void expect_plausible(const std::string& config_path, const ModelConfig& config,
                      const weights::CheckpointSource& source) {
    const double width = config.width;
    const double patches = static_cast<double>(config.grid()) * config.grid();
    const double described =
        config.layers * (4.0 * width * width + 2.0 * width * config.mlp_width) +
        (config.architecture == "vit" ? patches * width : 0.0);
    double held = 0.0;
    for (const auto& [name, shape] : source.shapes()) held += static_cast<double>(shape.numel());
    if (described > 2.0 * held + 1e7) {
        throw FormatError(config_path, fmt::format("describes a model of {:.3g} weights, but {} "
                                                   "holds {:.3g}",
                                                   described, source.path(), held));
    }
}

std::string folder_of(const std::string& directory_or_file) {
    const fs::path path(directory_or_file);
    if (path.extension() != ".safetensors") return directory_or_file;
    return path.has_parent_path() ? path.parent_path().string() : ".";
}

/// The tensors of the backbone and the heads under the names of the model directory. `on_cpu` keeps
/// what the views see.
std::vector<weights::NamedView> stored_views(const Model& model, std::vector<Tensor>& on_cpu) {
    std::vector<weights::NamedView> views;
    const ModelConfig& config = model.config();
    for (const auto& [name, tensor] : model.parameters()) {
        on_cpu.push_back(tensor.to({}));
        const View view = on_cpu.back().view();
        if (Model::is_head_parameter(name) || config.architecture != "vit") {
            views.push_back({stored_head_name(config, name), view});
            continue;
        }
        const Shape shape = shape_in_files(config, name, tensor.shape());
        for (const auto& slice : weights::to_transformers_names(name)) {
            Shape part = shape;
            if (slice.parts > 1) part[0] /= slice.parts;
            float* first = view.as<float>() + slice.part * part.numel();
            views.push_back(
                {stored_prefix(config) + slice.name, View(first, view.dtype, part, view.device)});
        }
    }
    return views;
}

}  // namespace

ModelConfig load_config(const std::string& directory) {
    const std::string path = (fs::path(directory) / "config.json").string();
    ModelConfig config = config_from_json(path, weights::read_text_file(path));
    const fs::path preprocessor = fs::path(directory) / "preprocessor_config.json";
    if (config.architecture == "vit" && fs::exists(preprocessor)) {
        read_preprocessor_json(preprocessor.string(),
                               weights::read_text_file(preprocessor.string()), config);
    }
    return config;
}

std::unique_ptr<Model> load_model(const std::string& directory_or_file, const Context& context,
                                  PretrainedReport* report) {
    const std::string folder = folder_of(directory_or_file);
    const std::string config_path = (fs::path(folder) / "config.json").string();
    const ModelConfig config = load_config(folder);
    const weights::CheckpointSource source(directory_or_file);
    expect_sizes(config_path, config, source);
    expect_plausible(config_path, config, source);
    auto model = build_model(config, context);
    const StoredWeights stored = match_model(*model, source);
    expect_match(stored, source);
    PretrainedReport result;
    result.layout = stored.layout;
    result.ignored = stored.ignored;
    for (const auto& parameter : stored.parameters) {
        nn::assign(parameter.tensor, read_finite(source, parameter.sources));
        result.loaded.push_back(parameter.name);
    }
    if (report != nullptr) *report = result;
    return model;
}

void save_model(const Model& model, const std::string& directory) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) throw IoError(directory, error.message());
    const ModelConfig& config = model.config();
    const fs::path folder(directory);
    std::vector<Tensor> on_cpu;
    weights::write_safetensors((folder / "model.safetensors").string(), stored_views(model, on_cpu),
                               {{"format", "pt"}});
    if (config.architecture == "vit") {
        weights::write_file_atomically((folder / "preprocessor_config.json").string(),
                                       preprocessor_to_json(config));
    }
    weights::write_file_atomically((folder / "config.json").string(), config_to_json(config));
}

}  // namespace balmer::vit
