#include "vit/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/error.h"
#include "vit/config_json.h"
#include "vit/model.h"

namespace balmer::vit {
namespace {

/// What a call says when it throws E; "" if it does not throw.
template <class E, class Call>
std::string message_of(const Call& call) {
    try {
        call();
    } catch (const E& error) {
        return error.what();
    }
    return "";
}

ModelConfig with_heads() {
    ModelConfig config = preset("vit-ti16");
    config.heads = {{"class", {"STAR", "GALAXY", "QSO"}}, {"z", {}, 0.25, 0.125, "log1p"}};
    config.image = {{"type", "map2d-norm"}, {"grid", "common"}};
    config.image_mean = {0.485, 0.456, 0.406};
    config.drop_path = 0.1;
    return config;
}

TEST(Preset, SizesAreThoseOfTheLiterature) {
    // Parameters without heads, as timm counts them for num_classes=0.
    EXPECT_EQ(build_model(preset("vit-ti16"))->parameter_count(), 5524416);
    EXPECT_EQ(build_model(preset("vit-s16"))->parameter_count(), 21665664);
    EXPECT_EQ(build_model(preset("vit-b16"))->parameter_count(), 85798656);
    const ModelConfig large = preset("vit-l16");
    EXPECT_EQ(large.width, 1024);
    EXPECT_EQ(large.layers, 24);
    EXPECT_EQ(large.attention_heads, 16);
    EXPECT_EQ(large.mlp_width, 4096);
    for (const auto& name : preset_names()) EXPECT_NO_THROW(validate(preset(name))) << name;
}

TEST(Preset, Fault42UnknownNamesSuggestTheNearest) {
    const std::string message = message_of<UsageError>([] { preset("vit-b32"); });
    EXPECT_EQ(message,
              "no model is called 'vit-b32', did you mean 'vit-b16'?; there are vit-ti16, vit-s16, "
              "vit-b16, vit-l16, transformer-1d");
    EXPECT_EQ(message_of<UsageError>([] { preset("resnet"); }),
              "no model is called 'resnet'; there are vit-ti16, vit-s16, vit-b16, vit-l16, "
              "transformer-1d");
}

TEST(Preset, TheSameSeedMakesTheSameBackboneWhateverTheHeads) {
    ModelConfig config = preset("transformer-1d");
    config.width = 32;
    config.mlp_width = 32;
    config.layers = 2;
    const auto plain = make_model(config, 4);
    config.heads = {{"z", {}}};
    const auto headed = make_model(config, 4);
    for (const auto& [name, tensor] : plain->parameters()) {
        EXPECT_EQ(tensor.to_vector<float>(), headed->parameter(name).to_vector<float>()) << name;
    }
    const auto other = make_model(config, 5);
    EXPECT_NE(other->parameter("blocks.1.mlp.fc2.weight").to_vector<float>(),
              headed->parameter("blocks.1.mlp.fc2.weight").to_vector<float>());
}

TEST(ModelConfig, WhatMakesNoModelIsNamed) {
    const auto refused = [](auto change) {
        ModelConfig config = with_heads();
        change(config);
        return message_of<UsageError>([&] { build_model(config); });
    };
    EXPECT_EQ(refused([](auto& c) { c.attention_heads = 5; }),
              "model configuration: attention_heads is 5, expected a divisor of the width");
    EXPECT_EQ(refused([](auto& c) { c.width = -1; }),
              "model configuration: width is -1, expected a number from 1 to 1000000");
    EXPECT_EQ(refused([](auto& c) { c.patch_size = 15; }),
              "model configuration: patch_size is 15, expected a divisor of the image size");
    EXPECT_EQ(refused([](auto& c) { c.architecture = "mlp"; }),
              "model configuration: architecture is mlp, expected vit or transformer-1d");
    for (const auto& message :
         {refused([](auto& c) { c.layers = 0; }), refused([](auto& c) { c.head_layers = 0; }),
          refused([](auto& c) { c.layer_norm_epsilon = std::nan(""); }),
          refused([](auto& c) { c.drop_path = 1.0; }),
          refused([](auto& c) { c.image_deviation[2] = 0.0; }),
          refused([](auto& c) { c.heads[1].target = "class"; }),
          refused([](auto& c) { c.heads[1].target = "a.b"; }),
          refused([](auto& c) { c.heads[0].labels = {"STAR"}; }), refused([](auto& c) {
              c.heads[0].labels = {"STAR", "STAR"};
          }),
          refused([](auto& c) { c.heads[1].deviation = 0.0; }),
          refused([](auto& c) { c.heads[1].transform = "log"; })}) {
        EXPECT_NE(message, "");
    }
    EXPECT_EQ(refused([](auto&) {}), "");
}

TEST(Head, ValuesAndOutputsAreInverse) {
    const ModelConfig::Head head{"z", {}, 0.4, 0.2, "log1p"};
    EXPECT_DOUBLE_EQ(target_value(head, 0.5), std::expm1(0.5));
    EXPECT_NEAR(target_output(head, target_value(head, -0.3)), -0.3, 1e-12);
    const ModelConfig::Head plain{"teff", {}, 5000, 1000};
    EXPECT_DOUBLE_EQ(target_value(plain, 2.0), 7000.0);
    EXPECT_DOUBLE_EQ(target_output(plain, 4000.0), -1.0);
}

TEST(ConfigJson, EveryPresetSurvivesARoundTrip) {
    for (const auto& name : preset_names()) {
        ModelConfig config = preset(name);
        config.heads = {{"subclass", {"A", "B"}}, {"teff", {}, 5123.25, 1e3 / 3}};
        config.head_layers = 2;
        config.drop_path = 0.1;
        config.image = {{"type", "simple"}};
        if (config.architecture == "transformer-1d") config.patch_pixels = 20;
        EXPECT_EQ(config_from_json("config.json", config_to_json(config)), config) << name;
    }
    ModelConfig config = with_heads();
    ModelConfig read = config_from_json("config.json", config_to_json(config));
    read_preprocessor_json("p", preprocessor_to_json(config), read);
    EXPECT_EQ(read, config);
}

std::string config_fault(const std::string& text) {
    return message_of<FormatError>([&] { config_from_json("config.json", text); });
}

/// config_to_json(with_heads()) with one passage exchanged.
std::string with_change(const std::string& from, const std::string& to) {
    std::string text = config_to_json(with_heads());
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

TEST(ConfigJson, Fault35And42WhatIsWrongIsNamed) {
    EXPECT_EQ(config_fault(with_change("\"drop_path\"", "\"drop_pathh\"")),
              "config.json: balmer: unknown key 'drop_pathh', did you mean 'drop_path'?");
    EXPECT_EQ(config_fault(with_change("\"hidden_size\": 192", "\"hidden_size\": \"192\"")),
              "config.json: hidden_size: expected a whole number");
    EXPECT_EQ(config_fault(with_change("\"hidden_size\": 192", "\"hidden_size\": 1e3")),
              "config.json: hidden_size: expected a whole number");
    EXPECT_EQ(config_fault(with_change("\"hidden_size\": 192", "\"hidden_size\": 9999999999")),
              "config.json: hidden_size: is out of range");
    EXPECT_EQ(
        config_fault(with_change("\"hidden_size\": 192", "\"hidden_size\": 191")),
        "config.json: model configuration: attention_heads is 3, expected a divisor of the width");
    EXPECT_EQ(config_fault(with_change("\"mean\": 0.25", "\"mean\": null, \"men\": 1")),
              "config.json: balmer.heads[1]: unknown key 'men', did you mean 'mean'?");
    EXPECT_EQ(config_fault(with_change("\"model_type\": \"vit\"", "\"model_type\": \"bert\"")),
              "config.json: model_type: is 'bert', expected 'vit' or 'balmer-transformer-1d'");
    EXPECT_EQ(config_fault(with_change("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"relu\"")),
              "config.json: hidden_act: is 'relu', expected 'gelu'");
    for (const char* text : {"", "{", "[]", "{\"model_type\": 3}", "\xff", "{\"a\":1,\"a\":2}"}) {
        EXPECT_NE(config_fault(text), "") << text;
    }
}

TEST(ConfigJson, Fault41ContradictingLabelsAreRefused) {
    EXPECT_EQ(config_fault(with_change("\"2\": \"QSO\"", "\"2\": \"AGN\"")),
              "config.json: label2id: is not the inverse of id2label");
    EXPECT_EQ(config_fault(with_change("\"2\": \"QSO\"", "\"3\": \"QSO\"")),
              "config.json: id2label: its 3 entries do not name the classes 0 to 2");
    const std::string text = with_change("\"STAR\",\n", "\"DWARF\",\n");
    EXPECT_EQ(config_fault(text),
              "config.json: id2label: its 3 classes are not the 3 labels of the head 'class'");
}

TEST(ConfigJson, Fault52LaterFormatsAreRefused) {
    EXPECT_EQ(config_fault(with_change("\"format\": 1", "\"format\": 2")),
              "config.json: balmer.format: is 2, this version of Balmer reads 1 to 1");
}

TEST(ConfigJson, WhatTransformersLeavesOutHasItsDefault) {
    const ModelConfig config = config_from_json(
        "config.json", R"({"model_type": "vit", "architectures": ["ViTForImageClassification"]})");
    EXPECT_EQ(config.width, 768);
    EXPECT_EQ(config.layer_norm_epsilon, 1e-12);
    ASSERT_EQ(config.heads.size(), 1U);
    EXPECT_EQ(config.heads[0].labels, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
    const ModelConfig backbone =
        config_from_json("config.json", R"({"model_type": "vit", "architectures": ["ViTModel"],
                                            "id2label": {"0": "a", "1": "b"}})");
    EXPECT_TRUE(backbone.heads.empty());
    const ModelConfig regression = config_from_json(
        "config.json", R"({"model_type": "vit", "architectures": ["ViTForImageClassification"],
                           "id2label": {"0": "LABEL_0"}})");
    EXPECT_TRUE(regression.heads.empty());
}

}  // namespace
}  // namespace balmer::vit
