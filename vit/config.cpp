#include "vit/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <set>

#include "kernels/core/error.h"
#include "kernels/core/nearest_name.h"

namespace balmer::vit {
namespace {

struct Size {
    const char* name;
    int width;
    int layers;
    int heads;
};
constexpr Size vit_sizes[] = {{"vit-ti16", 192, 12, 3},
                              {"vit-s16", 384, 12, 6},
                              {"vit-b16", 768, 12, 12},
                              {"vit-l16", 1024, 24, 16}};

void expect(bool holds, std::string_view key, const auto& value, const char* expected) {
    if (!holds) {
        throw UsageError(
            fmt::format("model configuration: {} is {}, expected {}", key, value, expected));
    }
}

void validate(const ModelConfig::Head& head) {
    const bool is_word =
        !head.target.empty() && head.target.find_first_of("./ \t\n") == std::string::npos;
    expect(is_word, "the target of a head", "'" + head.target + "'", "a word without '.' or '/'");
    const auto key = [&head](const char* name) { return head.target + "." + name; };
    const std::set<std::string> unique(head.labels.begin(), head.labels.end());
    expect(unique.size() == head.labels.size(), key("labels"), fmt::format("{}", head.labels),
           "each label once");
    expect(head.labels.size() != 1, key("labels"), fmt::format("{}", head.labels),
           "at least two labels, or none for a number");
    expect(std::isfinite(head.mean), key("mean"), head.mean, "a finite number");
    expect(std::isfinite(head.deviation) && head.deviation > 0, key("deviation"), head.deviation,
           "a positive finite number");
    expect(head.transform == "identity" || head.transform == "log1p", key("transform"),
           head.transform, "identity or log1p");
}

}  // namespace

std::vector<std::string> preset_names() {
    std::vector<std::string> names;
    for (const auto& size : vit_sizes) names.emplace_back(size.name);
    names.emplace_back("transformer-1d");
    return names;
}

ModelConfig preset(const std::string& name) {
    ModelConfig config;
    config.preset = name;
    for (const auto& size : vit_sizes) {
        if (name != size.name) continue;
        config.width = size.width;
        config.layers = size.layers;
        config.attention_heads = size.heads;
        config.mlp_width = 4 * size.width;
        return config;
    }
    if (name == "transformer-1d") {
        config.architecture = "transformer-1d";
        config.width = 512;
        config.layers = 6;
        config.attention_heads = 8;
        config.mlp_width = 2048;
        config.layer_norm_epsilon = 1e-5;
        config.head_layers = 2;
        return config;
    }
    const auto names = preset_names();
    const std::string nearest = nearest_name(name, names);
    throw UsageError(fmt::format("no model is called '{}'{}; there are {}", name,
                                 nearest.empty() ? "" : ", did you mean '" + nearest + "'?",
                                 fmt::join(names, ", ")));
}

void validate(const ModelConfig& config) {
    const bool is_vit = config.architecture == "vit";
    expect(is_vit || config.architecture == "transformer-1d", "architecture", config.architecture,
           "vit or transformer-1d");
    const auto positive = [](const char* key, int value) {
        expect(value > 0 && value <= 1'000'000, key, value, "a number from 1 to 1000000");
    };
    positive("width", config.width);
    positive("layers", config.layers);
    positive("attention_heads", config.attention_heads);
    positive("mlp_width", config.mlp_width);
    positive("head_layers", config.head_layers);
    expect(config.width % config.attention_heads == 0, "attention_heads", config.attention_heads,
           "a divisor of the width");
    if (is_vit) {
        positive("image_size", config.image_size);
        positive("patch_size", config.patch_size);
        positive("channels", config.channels);
        expect(config.image_size % config.patch_size == 0, "patch_size", config.patch_size,
               "a divisor of the image size");
    } else {
        positive("patch_pixels", config.patch_pixels);
        expect(config.max_length > 0 && config.max_length <= 65536, "max_length", config.max_length,
               "a number from 1 to 65536");
        expect(config.width % 2 == 0, "width", config.width,
               "an even number, for the sines and cosines of positions");
    }
    expect(std::isfinite(config.layer_norm_epsilon) && config.layer_norm_epsilon > 0,
           "layer_norm_epsilon", config.layer_norm_epsilon, "a positive finite number");
    expect(config.drop_path >= 0 && config.drop_path < 1, "drop_path", config.drop_path,
           "a probability below 1");
    for (const double deviation : config.image_deviation) {
        expect(std::isfinite(deviation) && deviation > 0, "image_deviation", deviation,
               "a positive finite number");
    }
    std::set<std::string> targets;
    for (const auto& head : config.heads) {
        validate(head);
        expect(targets.insert(head.target).second, "heads", "'" + head.target + "' twice",
               "each target once");
    }
}

double target_value(const ModelConfig::Head& head, double output) {
    const double value = head.mean + head.deviation * output;
    if (head.transform == "identity") return value;
    if (head.transform == "log1p") return std::expm1(value);
    throw UsageError("no target transform is called '" + head.transform + "'");
}

double target_output(const ModelConfig::Head& head, double value) {
    if (head.transform == "log1p") return (std::log1p(value) - head.mean) / head.deviation;
    if (head.transform == "identity") return (value - head.mean) / head.deviation;
    throw UsageError("no target transform is called '" + head.transform + "'");
}

}  // namespace balmer::vit
