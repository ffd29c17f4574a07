// Ten AdamW steps of a small vision transformer from the weights and pixels that PyTorch had.

#include <cmath>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "train/optimiser.h"
#include "train/task.h"
#include "vit/model_directory.h"
#include "weights/safetensors.h"

namespace balmer::train {
namespace {

using nlohmann::json;
using Values = std::vector<float>;

const std::string folder = BALMER_TEST_DATA "/training";

Values golden_values(const weights::SafetensorsFile& file, const std::string& name) {
    return file.read<float>(name);
}

/// The golden gradient of one of Balmer's parameters, under the name transformers has for it;
/// query, key and value are one parameter here.
Values golden_gradient(const weights::SafetensorsFile& file, const std::string& name) {
    static const std::map<std::string, std::string> whole = {
        {"cls_token", "embeddings.cls_token"},
        {"position_embedding", "embeddings.position_embeddings"},
        {"patch_embedding.weight", "embeddings.patch_embeddings.projection.weight"},
        {"patch_embedding.bias", "embeddings.patch_embeddings.projection.bias"},
        {"norm.weight", "layernorm.weight"},
        {"norm.bias", "layernorm.bias"}};
    static const std::map<std::string, std::string> parts = {
        {"norm1", "layernorm_before"},
        {"norm2", "layernorm_after"},
        {"attention.projection", "attention.o_proj"},
        {"mlp.fc1", "mlp.fc1"},
        {"mlp.fc2", "mlp.fc2"}};
    const auto read = [&](const std::string& theirs) {
        return golden_values(file, "gradient." + theirs);
    };
    if (const auto found = whole.find(name); found != whole.end()) return read(found->second);
    if (name.starts_with("heads.")) return read(name);
    const std::size_t number_end = name.find('.', 7);  // after "blocks."
    const std::size_t last_dot = name.rfind('.');
    const std::string layer = "layers." + name.substr(7, number_end - 7) + ".";
    const std::string part = name.substr(number_end + 1, last_dot - number_end - 1);
    const std::string kind = name.substr(last_dot);
    if (part != "attention.qkv") return read(layer + parts.at(part) + kind);
    Values all;
    for (const char* which : {"q", "k", "v"}) {
        const Values one = read(layer + "attention." + which + "_proj" + kind);
        all.insert(all.end(), one.begin(), one.end());
    }
    return all;
}

struct Setting {
    weights::SafetensorsFile golden{folder + "/golden.safetensors"};
    json numbers = json::parse(std::ifstream(folder + "/golden.json"));
    std::unique_ptr<vit::Model> model;
    std::unique_ptr<TargetTable> table;
    vit::ModelInput input;
    std::vector<std::int64_t> rows;

    Setting() {
        vit::ModelConfig config = vit::load_config(folder);
        Head of_class{.target = "class", .labels = {"STAR", "GALAXY", "QSO"}};
        Head of_logg{.target = "logg",
                     .labels = {}};  // identity: the standardised value is the label
        config.heads = {of_class, of_logg};
        model = vit::make_model(config, 1);
        vit::load_pretrained(*model, folder);
        for (const char* kind : {"weight", "bias"}) {
            copy("heads.class.0.", "heads.class.0.", kind);
            copy("heads.z.0.", "heads.logg.0.", kind);
        }

        const auto classes = golden.read<std::int64_t>("class");
        const Values values = golden_values(golden, "z");
        const LabelSource labels = [&](std::int64_t i) {
            data::Labels label;
            if (classes[i] >= 0) label.object_class = of_class.labels[classes[i]];
            if (!std::isnan(values[i])) label.logg = values[i];
            return label;
        };
        table = std::make_unique<TargetTable>(config.heads, 6, labels);
        rows = {0, 1, 2, 3, 4, 5};
        input.pixels = Tensor::from(golden_values(golden, "pixels"), {6, 3, 32, 32});
    }

    void copy(const std::string& from, const std::string& to, const std::string& kind) {
        const Tensor parameter = model->parameter(to + kind);
        golden.read_as_f32(from + kind, parameter.data<float>());
        parameter.mark_changed();
    }

    /// Loss of the whole batch in micro-batches of `size`; gradients are added up.
    double forward_backward(std::int64_t size, DType precision) {
        const std::vector<double> normalisers = loss_normalisers(*table, rows);
        double total = 0.0;
        for (std::int64_t begin = 0; begin < 6; begin += size) {
            vit::ModelInput part;
            const std::int64_t one = 3 * 32 * 32;
            part.pixels = Tensor::from(
                std::span<const float>(input.pixels.data<float>() + begin * one, size * one),
                {size, 3, 32, 32});
            const auto outputs = model->forward(part, {.precision = precision});
            const Tensor loss =
                task_loss(*table, outputs, std::span(rows).subspan(begin, size), normalisers, {});
            total += loss.item();
            loss.backward();
        }
        return total;
    }
};

double relative_difference(const Values& got, const Values& want) {
    double difference = 0.0;
    double norm = 0.0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        difference += (got[i] - want[i]) * (got[i] - want[i]);
        norm += want[i] * want[i];
    }
    return std::sqrt(difference / norm);
}

std::string golden_name(std::string name) {
    const std::size_t place = name.find("heads.logg.");
    return place == 0 ? "heads.z." + name.substr(11) : name;
}

TEST(TrainingParity, GradientsOfTheFirstStepMatchPyTorch) {
    for (const std::int64_t micro_batch : {6, 2, 1}) {
        Setting setting;
        const double loss = setting.forward_backward(micro_batch, DType::f32);
        const double want = setting.numbers["losses"][0];
        EXPECT_NEAR(loss, want, 1e-4 * want);
        for (const auto& [name, tensor] : setting.model->parameters()) {
            const Values gradient = tensor.grad().to_vector<float>();
            const Values expected = golden_gradient(setting.golden, golden_name(name));
            ASSERT_EQ(gradient.size(), expected.size()) << name;
            EXPECT_LT(relative_difference(gradient, expected), 1e-4)
                << name << " in micro-batches of " << micro_batch;
        }
    }
}

TEST(TrainingParity, TenStepsOfAdamWMatchPyTorch) {
    Setting setting;
    const json& settings = setting.numbers["settings"];
    AdamW optimiser(setting.model->parameters(), {.weight_decay = settings["weight_decay"]});
    for (std::size_t step = 0; step < 10; ++step) {
        optimiser.clear_gradients();
        const double loss = setting.forward_backward(6, DType::f32);
        const double want_loss = setting.numbers["losses"][step];
        EXPECT_NEAR(loss, want_loss, 1e-4 * want_loss) << "step " << step;
        const double norm = optimiser.gradient_norm();
        const double want_norm = setting.numbers["norms"][step];
        EXPECT_NEAR(norm, want_norm, 1e-3 * want_norm) << "step " << step;
        optimiser.step(settings["lr"], clip_factor(norm, settings["clip"]));
    }
}

TEST(TrainingParity, Bf16StaysNearTheSameLosses) {
    Setting setting;
    const json& settings = setting.numbers["settings"];
    AdamW optimiser(setting.model->parameters(), {.weight_decay = settings["weight_decay"]});
    for (std::size_t step = 0; step < 4; ++step) {
        optimiser.clear_gradients();
        const double loss = setting.forward_backward(6, DType::bf16);
        const double want = setting.numbers["losses"][step];
        // 8 bits of mantissa through two blocks: per cent.
        EXPECT_NEAR(loss, want, 0.03 * want) << "step " << step;
        optimiser.step(settings["lr"], clip_factor(optimiser.gradient_norm(), settings["clip"]));
    }
}

TEST(TrainingParity, DecayTouchesMatricesAlone) {
    Setting setting;
    std::vector<std::string> decayed;
    for (const auto& [name, tensor] : setting.model->parameters()) {
        if (decays(name, tensor)) decayed.push_back(name);
    }
    // Four matrices a block, the patch embedding and two heads.
    EXPECT_EQ(decayed.size(), 4U * 2U + 1U + 2U);
    for (const std::string& name : decayed) EXPECT_TRUE(name.ends_with(".weight")) << name;
}

TEST(TrainingParity, SpectraWithoutALabelGiveTheHeadNoGradient) {
    Setting setting;
    // Of row 1 only the class is known: alone in a batch, the other head must not move at all.
    const std::vector<std::int64_t> row = {1};
    vit::ModelInput part;
    part.pixels = Tensor::from(
        std::span<const float>(setting.input.pixels.data<float>() + 3072, 3072), {1, 3, 32, 32});
    const Tensor loss = task_loss(*setting.table, setting.model->forward(part), row,
                                  loss_normalisers(*setting.table, row), {});
    EXPECT_TRUE(std::isfinite(loss.item()));
    loss.backward();
    for (const float value :
         setting.model->parameter("heads.logg.0.weight").grad().to_vector<float>()) {
        EXPECT_EQ(value, 0.0F);
    }
    double largest = 0.0;
    for (const float value :
         setting.model->parameter("heads.class.0.weight").grad().to_vector<float>()) {
        largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    EXPECT_GT(largest, 0.0);
}

}  // namespace
}  // namespace balmer::train
