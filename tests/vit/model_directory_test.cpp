#include "vit/model_directory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "tests/vit/golden.h"
#include "weights/file.h"

namespace balmer::vit {
namespace {

using testing::golden;
using testing::stored_tensor;

/// The message of the FormatError that loading `path` ends in; it must name the path's folder.
std::string load_fault(const std::string& path) {
    try {
        load_model(path);
    } catch (const FormatError& error) {
        return error.what();
    }
    ADD_FAILURE() << path << " was loaded";
    return "";
}

void expect_contains(const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' in: " << message;
}

std::map<std::string, Tensor> tensors_of(const std::string& file) {
    std::map<std::string, Tensor> tensors;
    const weights::SafetensorsFile source(file);
    for (const auto& info : source.tensors()) tensors[info.name] = stored_tensor(file, info.name);
    return tensors;
}

void write(const std::string& file, const std::map<std::string, Tensor>& tensors) {
    std::vector<weights::NamedView> views;
    for (const auto& [name, tensor] : tensors) views.push_back({name, tensor.view()});
    weights::write_safetensors(file, views);
}

/// A copy of the golden classifier to damage.
class ModelDirectory : public ::testing::Test {
  protected:
    TemporaryFolder folder_;
    std::map<std::string, Tensor> tensors_ = tensors_of(golden("vit/model.safetensors"));
    nlohmann::json config_ =
        nlohmann::json::parse(weights::read_text_file(golden("vit/config.json")));

    void save() {
        write(folder_ / "model.safetensors", tensors_);
        std::ofstream(folder_ / "config.json") << config_.dump();
    }
    std::string fault() {
        save();
        return load_fault(folder_.path());
    }
};

TEST_F(ModelDirectory, WhatIsSavedIsWhatTransformersSaves) {
    save_model(*load_model(golden("vit")), folder_.path());
    const auto saved = tensors_of(folder_ / "model.safetensors");
    ASSERT_EQ(saved.size(), tensors_.size());
    for (const auto& [name, tensor] : tensors_) {
        ASSERT_TRUE(saved.contains(name)) << name;
        EXPECT_EQ(saved.at(name).shape(), tensor.shape()) << name;
        EXPECT_EQ(saved.at(name).to_vector<float>(), tensor.to_vector<float>()) << name;
    }
    for (const std::string file : {"config.json", "preprocessor_config.json"}) {
        const auto own = nlohmann::json::parse(weights::read_text_file(folder_ / file));
        const auto theirs = nlohmann::json::parse(weights::read_text_file(golden("vit/" + file)));
        for (const auto& [key, value] : theirs.items()) {
            if (key == "transformers_version" || key.starts_with("pooler")) continue;
            ASSERT_TRUE(own.contains(key)) << file << ": " << key;
            if (key == "encoder_stride") continue;  // of an image decoder that is not there
            EXPECT_EQ(own[key], value) << file << ": " << key;
        }
    }
}

TEST_F(ModelDirectory, ConfigurationOfTransformersIsRead) {
    const auto config = load_model(golden("vit"))->config();
    EXPECT_EQ(config.width, 32);
    EXPECT_EQ(config.image_size, 16);
    ASSERT_EQ(config.heads.size(), 1U);
    EXPECT_EQ(config.heads[0].target, "class");
    EXPECT_EQ(config.heads[0].labels, (std::vector<std::string>{"STAR", "GALAXY", "QSO"}));
    EXPECT_EQ(config.image_mean, (std::array<double, 3>{0.485, 0.456, 0.406}));
}

TEST_F(ModelDirectory, EveryCombinationOfHeadsSurvivesARoundTrip) {
    const std::vector<ModelConfig::Head> all = {{"class", {"STAR", "QSO"}},
                                                {"z", {}, 0.5, 0.25, "log1p"},
                                                {"subclass", {"A0", "F5", "G2"}}};
    for (unsigned chosen = 0; chosen < 8; ++chosen) {
        for (const int head_layers : {1, 2}) {
            ModelConfig config = load_config(golden("vit"));
            config.heads.clear();
            config.head_layers = head_layers;
            for (unsigned i = 0; i < 3; ++i) {
                if ((chosen >> i & 1U) != 0) config.heads.push_back(all[i]);
            }
            const auto model = make_model(config, chosen);
            save_model(*model, folder_.path());
            const auto loaded = load_model(folder_.path());
            EXPECT_EQ(loaded->config(), config);
            for (const auto& [name, tensor] : model->parameters()) {
                EXPECT_EQ(loaded->parameter(name).to_vector<float>(), tensor.to_vector<float>())
                    << name;
            }
        }
    }
}

TEST_F(ModelDirectory, AFileStandsForItsFolder) {
    save();
    EXPECT_EQ(load_model(folder_ / "model.safetensors")->parameter_count(),
              load_model(golden("vit"))->parameter_count());
}

TEST_F(ModelDirectory, Fault37ListsMissingExtraAndMisshapenTensors) {
    tensors_.erase("vit.layernorm.bias");
    tensors_["vit.encoder.layer.0.gamma"] = Tensor::zeros({2});
    tensors_["vit.encoder.layer.1.layernorm_after.bias"] = Tensor::zeros({31});
    const std::string message = fault();
    for (const char* part : {"model.safetensors", "vit.layernorm.bias", "vit.encoder.layer.0.gamma",
                             "vit.encoder.layer.1.layernorm_after.bias", "[32]", "[31]"}) {
        expect_contains(message, part);
    }
}

TEST_F(ModelDirectory, Fault37AHeadThatTheConfigurationLacksIsExtra) {
    tensors_["heads.z.0.weight"] = Tensor::zeros({1, 32});
    expect_contains(fault(), "heads.z.0.weight");
}

TEST_F(ModelDirectory, Fault38NaNAndInfinityAreNamed) {
    auto& weight = tensors_["vit.encoder.layer.1.attention.attention.key.weight"];
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        weight.data<float>()[17] = bad;
        const std::string message = fault();
        expect_contains(message, "vit.encoder.layer.1.attention.attention.key.weight");
        expect_contains(message, "model.safetensors");
    }
}

TEST_F(ModelDirectory, Fault39APickleSaysHowToConvert) {
    save();
    std::filesystem::rename(folder_ / "model.safetensors", folder_ / "pytorch_model.bin");
    const std::string message = load_fault(folder_.path());
    expect_contains(message, "pytorch_model.bin");
    expect_contains(message, "safetensors");
}

TEST_F(ModelDirectory, Fault40AShardThatIsNotThereIsNamed) {
    save();
    std::filesystem::remove(folder_ / "model.safetensors");
    for (const std::string shard : {"model-00001-of-00001.safetensors", "../x.safetensors"}) {
        nlohmann::json index;
        for (const auto& [name, tensor] : tensors_) index["weight_map"][name] = shard;
        std::ofstream(folder_ / "model.safetensors.index.json") << index.dump();
        try {
            load_model(folder_.path());
            FAIL() << "was loaded";
        } catch (const Error& error) {
            expect_contains(error.what(), shard);
        }
    }
}

TEST_F(ModelDirectory, Fault40ShardsOfAnIndexAreOneModel) {
    std::map<std::string, Tensor> halves[2];
    nlohmann::json index;
    for (const auto& [name, tensor] : tensors_) {
        const std::size_t half = halves[0].size() <= halves[1].size() ? 0 : 1;
        halves[half][name] = tensor;
        index["weight_map"][name] = half == 0 ? "a.safetensors" : "b.safetensors";
    }
    save();
    std::filesystem::remove(folder_ / "model.safetensors");
    write(folder_ / "a.safetensors", halves[0]);
    write(folder_ / "b.safetensors", halves[1]);
    std::ofstream(folder_ / "model.safetensors.index.json") << index.dump();
    const auto model = load_model(folder_.path());
    const auto expected = load_model(golden("vit"));
    for (const auto& [name, tensor] : expected->parameters()) {
        EXPECT_EQ(model->parameter(name).to_vector<float>(), tensor.to_vector<float>()) << name;
    }
}

TEST_F(ModelDirectory, Fault41ConfigurationAgainstWeightsIsOneLine) {
    config_["hidden_size"] = 48;
    config_["num_hidden_layers"] = 3;
    config_["patch_size"] = 8;
    EXPECT_EQ(fault(), folder_ / "config.json" +
                           ": hidden_size is 48 but the weights have 32; num_hidden_layers is 3 "
                           "but the weights have 2; patch_size is 8 but the weights have 4 (" +
                           (folder_ / "model.safetensors") + ")");
    config_ = nlohmann::json::parse(weights::read_text_file(golden("vit/config.json")));
    config_["image_size"] = 32;
    expect_contains(fault(), "image_size 32 makes 64 patches but the weights have positions of 16");
    config_["image_size"] = 16;
    config_["qkv_bias"] = false;
    expect_contains(fault(), "qkv_bias is false but the weights have such biases");
}

TEST_F(ModelDirectory, Fault41LabelsAgainstTheHead) {
    config_["id2label"]["3"] = "SKY";
    config_["label2id"]["SKY"] = 3;
    expect_contains(fault(),
                    "config.json: id2label names 4 classes but the head 'class' has 3 "
                    "outputs");
}

TEST_F(ModelDirectory, Fault41AGiantConfigurationIsRefusedBeforeMemoryIsTaken) {
    config_["hidden_size"] = 1'000'000;
    config_["num_attention_heads"] = 1;
    tensors_.erase("vit.layernorm.weight");  // what would show the width
    expect_contains(fault(), "describes a model of 8e+12 weights");
}

TEST_F(ModelDirectory, WhatIsNotThereIsAnIoError) {
    EXPECT_THROW(load_model(folder_.path()), IoError);
    EXPECT_THROW(load_model(folder_ / "nowhere"), IoError);
    const auto model = load_model(golden("vit"));
    std::ofstream(folder_ / "file") << "x";
    EXPECT_THROW(save_model(*model, folder_ / "file/below"), IoError);
}

}  // namespace
}  // namespace balmer::vit
