#include "weights/name_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tests/weights/file_testing.h"
#include "weights/checkpoint_source.h"

namespace balmer::weights {
namespace {

using Names = std::vector<std::string>;

const std::string golden = BALMER_TEST_DATA;

/// Balmer's names for a model of two blocks, in order.
Names canonical_names(bool qkv_bias = true) {
    Names names = {"cls_token", "position_embedding", "patch_embedding.weight",
                   "patch_embedding.bias"};
    for (const std::string block : {"blocks.0.", "blocks.1."}) {
        for (const char* module :
             {"norm1", "attention.qkv", "attention.projection", "norm2", "mlp.fc1", "mlp.fc2"}) {
            names.push_back(block + module + ".weight");
            const bool has_bias = qkv_bias || names.back() != block + "attention.qkv.weight";
            if (has_bias) names.push_back(block + module + ".bias");
        }
    }
    names.insert(names.end(), {"norm.weight", "norm.bias"});
    return names;
}

Names canonical_of(const VitNames& names) {
    Names result;
    for (const auto& tensor : names.tensors) result.push_back(tensor.canonical);
    return result;
}

const MappedTensor& mapped(const VitNames& names, const std::string& canonical) {
    const auto found = std::find_if(names.tensors.begin(), names.tensors.end(),
                                    [&](const auto& t) { return t.canonical == canonical; });
    if (found == names.tensors.end()) throw std::runtime_error("not mapped: " + canonical);
    return *found;
}

VitNames recognise(const CheckpointSource& source) {
    return recognise_vit_names(source.path(), source.names());
}

std::vector<float> read(const CheckpointSource& source, const Names& names) {
    std::vector<float> values(static_cast<std::size_t>(source.stacked_shape(names).numel()));
    source.read_stacked_as_f32(names, values.data(), values.size());
    return values;
}

TEST(NameMap, RecognisesTransformersModels) {
    const CheckpointSource source(golden + "/vit_transformers");
    const VitNames names = recognise(source);
    EXPECT_EQ(names.layout, "transformers");
    EXPECT_EQ(names.prefix, "");
    EXPECT_EQ(canonical_of(names), canonical_names());
    EXPECT_EQ(names.ignored, (Names{"pooler.dense.bias", "pooler.dense.weight"}));
    EXPECT_TRUE(names.unknown.empty());
    EXPECT_EQ(mapped(names, "blocks.1.attention.qkv.bias").sources,
              (Names{"encoder.layer.1.attention.attention.query.bias",
                     "encoder.layer.1.attention.attention.key.bias",
                     "encoder.layer.1.attention.attention.value.bias"}));
    EXPECT_EQ(source.stacked_shape(mapped(names, "blocks.1.attention.qkv.weight").sources),
              (Shape{24, 8}));
}

TEST(NameMap, RecognisesClassifiersWithoutQkvBias) {
    const VitNames names = recognise(CheckpointSource(golden + "/vit_classifier"));
    EXPECT_EQ(names.layout, "transformers");
    EXPECT_EQ(names.prefix, "vit.");
    EXPECT_EQ(canonical_of(names), canonical_names(false));
    EXPECT_EQ(names.ignored, (Names{"classifier.bias", "classifier.weight"}));
    EXPECT_TRUE(names.unknown.empty());
}

TEST(NameMap, RecognisesTimmModels) {
    const VitNames names = recognise(CheckpointSource(golden + "/vit_timm.safetensors"));
    EXPECT_EQ(names.layout, "timm");
    EXPECT_EQ(names.prefix, "");
    EXPECT_EQ(canonical_of(names), canonical_names());
    EXPECT_EQ(names.ignored, (Names{"head.bias", "head.weight"}));
    EXPECT_TRUE(names.unknown.empty());
    EXPECT_EQ(mapped(names, "blocks.0.attention.qkv.weight").sources,
              Names{"blocks.0.attn.qkv.weight"});
}

TEST(NameMap, FilesAndStateDictsOfTransformers5GiveTheSameModel) {
    const CheckpointSource files(golden + "/vit_transformers");
    const CheckpointSource state(golden + "/vit_state_dict.safetensors");
    const VitNames of_files = recognise(files);
    const VitNames of_state = recognise(state);
    EXPECT_EQ(of_state.layout, "transformers-v5");
    EXPECT_EQ(canonical_of(of_state), canonical_of(of_files));
    EXPECT_TRUE(of_state.unknown.empty());
    for (std::size_t i = 0; i < of_files.tensors.size(); ++i) {
        EXPECT_EQ(read(files, of_files.tensors[i].sources),
                  read(state, of_state.tensors[i].sources))
            << of_files.tensors[i].canonical;
    }
}

TEST(NameMap, RecognisesEveryPrefix) {
    for (const char* file :
         {"/vit_transformers", "/vit_state_dict.safetensors", "/vit_timm.safetensors"}) {
        const CheckpointSource source(golden + file);
        const VitNames plain = recognise(source);
        for (const std::string prefix : {"vit.", "model.", "backbone.", "module.",
                                         "module.backbone.", "model.vit.", "teacher.backbone."}) {
            Names names;
            for (const auto& name : source.names()) names.push_back(prefix + name);
            names.push_back("beside.weight");
            const VitNames prefixed = recognise_vit_names("f", names);
            EXPECT_EQ(prefixed.prefix, prefix);
            EXPECT_EQ(prefixed.layout, plain.layout);
            EXPECT_EQ(canonical_of(prefixed), canonical_of(plain));
            EXPECT_EQ(prefixed.ignored.size(), plain.ignored.size() + 1);
            EXPECT_TRUE(prefixed.unknown.empty());
        }
    }
}

TEST(NameMap, IgnoresTheHeadOfDinoPretraining) {
    Names names = CheckpointSource(golden + "/vit_timm.safetensors").names();
    for (auto& name : names) name = "module.backbone." + name;
    names.insert(names.end(), {"module.head.mlp.0.weight", "module.head.last_layer.weight_g"});
    EXPECT_EQ(recognise_vit_names("f", names).ignored,
              (Names{"module.backbone.head.bias", "module.backbone.head.weight",
                     "module.head.mlp.0.weight", "module.head.last_layer.weight_g"}));
}

TEST(NameMap, ReportsWhatWouldChangeTheModel) {
    Names names = CheckpointSource(golden + "/vit_timm.safetensors").names();
    const Names others = {"reg_token", "dist_token", "blocks.0.ls1.gamma", "fc_norm.weight"};
    names.insert(names.end(), others.begin(), others.end());
    EXPECT_EQ(recognise_vit_names("f", names).unknown, others);
}

TEST(NameMap, OrdersBlocksByNumber) {
    Names names = {"cls_token"};
    for (const char* block : {"10", "9", "2", "0"}) {
        names.push_back(std::string("blocks.") + block + ".norm1.weight");
    }
    EXPECT_EQ(canonical_of(recognise_vit_names("f", names)),
              (Names{"cls_token", "blocks.0.norm1.weight", "blocks.2.norm1.weight",
                     "blocks.9.norm1.weight", "blocks.10.norm1.weight"}));
}

TEST(NameMap, RecognisesAModelWithoutItsPatchEmbedding) {
    EXPECT_EQ(recognise_vit_names("f", {"vit.embeddings.cls_token"}).layout, "transformers");
    EXPECT_EQ(recognise_vit_names("f", {"vit.cls_token"}).layout, "timm");
}

TEST(NameMap, RefusesOtherModels) {
    EXPECT_EQ(message_of<FormatError>([] {
                  recognise_vit_names("f", {"conv1.weight", "a", "b", "c", "d", "e"});
              }),
              "f: none of its 6 tensors is named as in transformers' ViTModel, timm or DINO: "
              "'conv1.weight', 'a', 'b', 'c', 'd', ...");
}

TEST(NameMap, RefusesTwoModelsInOneFile) {
    EXPECT_EQ(message_of<FormatError>([] {
                  recognise_vit_names(
                      "f", {"teacher.patch_embed.proj.weight", "student.patch_embed.proj.weight"});
              }),
              "f: holds several vision transformers, under the prefixes 'student.', 'teacher.'");
}

TEST(NameMap, SavesUnderTheNamesThatItReads) {
    const CheckpointSource source(golden + "/vit_transformers");
    Names written;
    for (const auto& tensor : recognise(source).tensors) {
        const std::vector<float> values = read(source, tensor.sources);
        for (const auto& slice : to_transformers_names(tensor.canonical)) {
            written.push_back(slice.name);
            const std::size_t rows = values.size() / slice.parts;
            const auto begin = values.begin() + static_cast<std::ptrdiff_t>(rows * slice.part);
            EXPECT_EQ(std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(rows)),
                      read(source, {slice.name}));
        }
    }
    written.insert(written.end(), {"pooler.dense.bias", "pooler.dense.weight"});
    std::sort(written.begin(), written.end());
    EXPECT_EQ(written, source.names());
}

TEST(NameMap, RefusesNamesThatAreNotCanonical) {
    EXPECT_EQ(message_of<UsageError>([] { to_transformers_names("head.weight"); }),
              "no transformers name for tensor 'head.weight'");
    EXPECT_EQ(message_of<UsageError>([] { to_layout_names("keras", "cls_token"); }),
              "no weight layout is called 'keras'");
}

TEST(NameMap, Fault37ListsDifferencesUnderTheNamesOfTheFile) {
    Names names = {"vit.embeddings.cls_token", "vit.encoder.layer.0.attention.attention.key.weight",
                   "vit.extra"};
    const VitNames recognised = recognise_vit_names("f", names);
    const NamedShapes expected = source_shapes(
        recognised, {{"cls_token", {1, 1, 8}}, {"blocks.0.attention.qkv.weight", {24, 8}}});
    const NamedShapes found = {{names[0], {1, 1, 8}}, {names[1], {8, 4}}, {names[2], {1}}};
    EXPECT_EQ(message_of<FormatError>([&] { compare_names("f", expected, found); }),
              "f: the tensors do not fit the model; missing: "
              "'vit.encoder.layer.0.attention.attention.query.weight' [8, 8], "
              "'vit.encoder.layer.0.attention.attention.value.weight' [8, 8]; not in the model: "
              "'vit.extra' [1]; of another shape: "
              "'vit.encoder.layer.0.attention.attention.key.weight' expected [8, 8] got [8, 4]");
}

}  // namespace
}  // namespace balmer::weights
