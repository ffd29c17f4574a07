#include "train/model_setup.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "train/model_input.h"
#include "vit/model_directory.h"

namespace balmer::train {

namespace {

namespace fs = std::filesystem;
using vit::ModelConfig;

bool is_directory_with_configuration(const std::string& path) {
    return !path.empty() && fs::exists(fs::path(path) / "config.json");
}

void expect_same(const char* what, int preset, int pretrained, const ModelSetup& setup) {
    if (preset == pretrained) return;
    throw UsageError(fmt::format("--model {} has {} {}, the model in {} has {}", setup.preset, what,
                                 preset, setup.pretrained, pretrained));
}

/// Architecture and input of the model, without heads.
ModelConfig base_configuration(const ModelSetup& setup) {
    if (!is_directory_with_configuration(setup.pretrained)) {
        if (setup.preset.empty()) {
            throw UsageError(
                "--model: needed where --pretrained names no directory with a "
                "config.json");
        }
        return vit::preset(setup.preset);
    }
    ModelConfig config = vit::load_config(setup.pretrained);
    if (!setup.preset.empty()) {
        const ModelConfig preset = vit::preset(setup.preset);
        if (preset.architecture != config.architecture) {
            throw UsageError(fmt::format("--model {} is a {}, the model in {} a {}", setup.preset,
                                         preset.architecture, setup.pretrained,
                                         config.architecture));
        }
        expect_same("width", preset.width, config.width, setup);
        expect_same("layers", preset.layers, config.layers, setup);
        expect_same("attention heads", preset.attention_heads, config.attention_heads, setup);
    }
    return config;
}

/// Whether every class of the data is one of the pretrained head's.
bool covers(const Head& pretrained, const Head& wanted) {
    if (pretrained.is_classification() != wanted.is_classification()) return false;
    return std::all_of(wanted.labels.begin(), wanted.labels.end(), [&](const std::string& label) {
        return std::find(pretrained.labels.begin(), pretrained.labels.end(), label) !=
               pretrained.labels.end();
    });
}

void copy_parameter(const Tensor& from, const Tensor& to) {
    std::memcpy(to.view().data, from.view().data,
                static_cast<std::size_t>(from.numel()) * size_of(from.dtype()));
    to.mark_changed();
}

/// "a, b, c and 9 more"
std::string list_of(const std::vector<std::string>& names) {
    constexpr std::size_t shown = 6;
    if (names.size() <= shown + 1) return fmt::format("{}", fmt::join(names, ", "));
    return fmt::format("{} and {} more", fmt::join(names.begin(), names.begin() + shown, ", "),
                       names.size() - shown);
}

}  // namespace

std::unique_ptr<vit::Model> set_up_model(const ModelSetup& setup, const Context& context,
                                         const std::function<void(const std::string&)>& say) {
    ModelConfig config = base_configuration(setup);
    const std::vector<Head> pretrained_heads = config.heads;
    const int pretrained_layers = config.head_layers;
    config.heads = setup.heads;
    config.drop_path = setup.drop_path;
    if (setup.image_size > 0) config.image_size = setup.image_size;
    if (setup.patch_pixels > 0) config.patch_pixels = setup.patch_pixels;
    for (const auto& [name, value] : setup.image) config.image[name] = value;
    config.image = to_map(input_options(config));

    std::vector<std::string> kept;
    const bool same_depth = setup.head_layers == 0 || setup.head_layers == pretrained_layers;
    for (Head& head : config.heads) {
        const auto found =
            std::find_if(pretrained_heads.begin(), pretrained_heads.end(),
                         [&](const Head& other) { return other.target == head.target; });
        if (found == pretrained_heads.end()) continue;
        if (setup.new_heads || !same_depth || !covers(*found, head)) {
            say(fmt::format("pretrained head '{}' is replaced by a new one ({})", head.target,
                            setup.new_heads ? "--new-heads"
                            : same_depth    ? "the data have other classes"
                                            : "another number of layers"));
            continue;
        }
        head = *found;
        kept.push_back(head.target);
    }
    config.head_layers = setup.head_layers > 0 ? setup.head_layers
                         : kept.empty()        ? 1
                                               : pretrained_layers;

    std::unique_ptr<vit::Model> model = vit::make_model(config, setup.seed, context);
    if (setup.pretrained.empty()) return model;

    const vit::PretrainedReport report = vit::load_pretrained(*model, setup.pretrained);
    say(fmt::format("pretrained weights: {} ({} layout), {} tensors read", setup.pretrained,
                    report.layout, report.loaded.size()));
    const auto is_kept = [&](const std::string& name) {
        return std::any_of(kept.begin(), kept.end(), [&](const std::string& target) {
            return name.starts_with("heads." + target + ".");
        });
    };
    if (report.position_interpolated) say("position embeddings interpolated to this image size");
    if (!kept.empty()) {
        const std::unique_ptr<vit::Model> source = vit::load_model(setup.pretrained, context);
        for (const auto& [name, tensor] : source->parameters()) {
            if (is_kept(name)) copy_parameter(tensor, model->parameter(name));
        }
        say(fmt::format("pretrained heads kept, with their labels and statistics: {}",
                        fmt::join(kept, ", ")));
    }
    std::vector<std::string> fresh;
    std::copy_if(report.fresh.begin(), report.fresh.end(), std::back_inserter(fresh),
                 [&](const std::string& name) { return !is_kept(name); });
    if (!fresh.empty()) say("new, with random values: " + list_of(fresh));
    std::vector<std::string> ignored;
    std::copy_if(report.ignored.begin(), report.ignored.end(), std::back_inserter(ignored),
                 [&](const std::string& name) { return !is_kept(name); });
    if (!ignored.empty()) say("ignored: " + list_of(ignored));
    return model;
}

}  // namespace balmer::train
