#include "weights/checkpoint_source.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tests/weights/file_testing.h"

namespace balmer::weights {
namespace {

namespace fs = std::filesystem;

const std::string golden = BALMER_TEST_DATA;

class CheckpointSourceTest : public FileTest {
  protected:
    /// Two shards with one tensor each, and the index that `weight_map` makes.
    void write_shards(const std::string& weight_map) const {
        std::vector<float> values = {1, 2};
        const View view(values.data(), DType::f32, {2});
        write_safetensors(path("1.safetensors"), {{"a", view}});
        write_safetensors(path("2.safetensors"), {{"b", view}});
        write(index, R"({"metadata":{"total_size":16},"weight_map":)" + weight_map + "}");
    }

    std::string refused_index(const std::string& weight_map) const {
        write_shards(weight_map);
        return message_of<FormatError>([&] { CheckpointSource source(folder_.path()); });
    }

    const std::string index = "model.safetensors.index.json";
};

TEST_F(CheckpointSourceTest, OpensAFileAFolderAndAnIndexAlike) {
    const CheckpointSource folder(golden + "/vit_transformers");
    const CheckpointSource file(golden + "/vit_transformers/model.safetensors");
    const CheckpointSource shards(golden + "/vit_sharded");
    const CheckpointSource through_index(golden + "/vit_sharded/model.safetensors.index.json");
    EXPECT_EQ(folder.path(), file.path());
    EXPECT_EQ(shards.path(), through_index.path());
    EXPECT_EQ(shards.files().size(), 2U);
    EXPECT_EQ(folder.metadata().at("format"), "pt");
    EXPECT_EQ(folder.names().size(), 40U);
    EXPECT_EQ(folder.names(), shards.names());
    for (const auto& name : folder.names()) {
        ASSERT_EQ(to_string(folder.info(name)), to_string(shards.info(name)));
        std::vector<float> one(static_cast<std::size_t>(folder.info(name).shape.numel()));
        std::vector<float> other = one;
        folder.read_as_f32(name, one.data());
        shards.read_as_f32(name, other.data());
        EXPECT_EQ(one, other) << name;
    }
}

TEST_F(CheckpointSourceTest, StacksTensorsByRows) {
    std::vector<float> values = {1, 2, 3, 4, 5, 6};
    write_safetensors(path("t"), {{"a", View(values.data(), DType::f32, {1, 2})},
                                  {"b", View(values.data() + 2, DType::f32, {2, 2})},
                                  {"c", View(values.data(), DType::f32, {2, 3})}});
    const CheckpointSource source(path("t"));
    EXPECT_EQ(source.stacked_shape({"a", "b"}), (Shape{3, 2}));
    std::vector<float> stacked(6);
    source.read_stacked_as_f32({"a", "b"}, stacked.data(), stacked.size());
    EXPECT_EQ(stacked, values);
    EXPECT_EQ(message_of<FormatError>([&] {
                  (void)source.stacked_shape({"a", "c"});
              }),
              path("t") + ": tensors 'a' F32 [1, 2] and 'c' F32 [2, 3] cannot be stacked");
    EXPECT_EQ(message_of<ShapeError>([&] { source.read_stacked_as_f32({"a"}, stacked.data(), 6); }),
              path("t") + ": tensors a together have shape [1, 2], room is given for 6 elements");
    EXPECT_EQ(message_of<FormatError>([&] { (void)source.info("z"); }),
              path("t") + ": no tensor 'z'");
}

TEST_F(CheckpointSourceTest, FollowsLinksToShards) {
    write_shards(R"({"a":"1.safetensors"})");
    fs::create_directory(path("snapshot"));
    fs::create_symlink("../1.safetensors", path("snapshot/model.safetensors"));
    EXPECT_TRUE(CheckpointSource(path("snapshot")).contains("a"));
}

TEST_F(CheckpointSourceTest, Fault40RejectsShardsOutsideTheFolder) {
    const std::string outside = ", which is not inside the folder of the index";
    EXPECT_EQ(refused_index(R"({"a":"../1.safetensors"})"),
              path(index) + ": weight_map puts tensor 'a' into '../1.safetensors'" + outside);
    EXPECT_EQ(refused_index(R"({"a":"x/../../1.safetensors"})"),
              path(index) + ": weight_map puts tensor 'a' into 'x/../../1.safetensors'" + outside);
    EXPECT_EQ(refused_index(R"({"a":"/etc/passwd"})"),
              path(index) + ": weight_map puts tensor 'a' into '/etc/passwd'" + outside);
    EXPECT_EQ(refused_index(R"({"a":""})"),
              path(index) + ": weight_map puts tensor 'a' into ''" + outside);
}

TEST_F(CheckpointSourceTest, Fault40RejectsAMissingShard) {
    write_shards(R"({"a":"1.safetensors","b":"3.safetensors"})");
    EXPECT_EQ(message_of<IoError>([&] { CheckpointSource source(folder_.path()); }),
              path(index) + ": shard '3.safetensors' is missing");
}

TEST_F(CheckpointSourceTest, Fault40RejectsAShortShard) {
    write_shards(R"({"a":"1.safetensors","b":"2.safetensors"})");
    const std::string shard = path("2.safetensors");
    fs::resize_file(shard, fs::file_size(shard) - 3);
    EXPECT_EQ(message_of<FormatError>([&] { CheckpointSource source(folder_.path()); }),
              shard +
                  ": tensor 'b' ends at byte 8 of the data, the file holds 5: it is 3 bytes "
                  "short");
}

TEST_F(CheckpointSourceTest, Fault40RejectsAnIndexThatShardsDoNotBearOut) {
    EXPECT_EQ(
        refused_index(R"({"a":"2.safetensors"})"),
        path(index) + ": weight_map puts tensor 'a' into '2.safetensors', which does not hold it");
    EXPECT_EQ(refused_index(R"({"a":7})"),
              path(index) + ": weight_map names no file for tensor 'a'");
    EXPECT_EQ(refused_index("[]"), path(index) + ": has no weight_map");
    EXPECT_EQ(refused_index("{"), path(index) + ": index is not JSON (error at byte 46)");
    write(index, "[]");
    EXPECT_EQ(message_of<FormatError>([&] { CheckpointSource source(folder_.path()); }),
              path(index) + ": has no weight_map");
}

TEST_F(CheckpointSourceTest, Fault35RejectsARepeatedKeyInTheIndex) {
    EXPECT_EQ(refused_index(R"({"a":"1.safetensors","a":"1.safetensors"})"),
              path(index) + ": index repeats the key 'a'");
}

std::string advice(const std::string& from, const std::string& to) {
    return from +
           ": is a Python pickle, which can run code when it is read; convert it with: python3 -c "
           "\"import sys, torch; from safetensors.torch import save_file; d = "
           "torch.load(sys.argv[1], map_location='cpu', weights_only=True); d = next((d[k] for k "
           "in ('teacher', 'state_dict', 'model') if k in d), d); save_file({k: "
           "v.clone().contiguous() for k, v in d.items() if torch.is_tensor(v)}, sys.argv[2])\" '" +
           from + "' '" + to + "'";
}

TEST_F(CheckpointSourceTest, Fault39TellsHowToConvertAPickle) {
    for (const std::string extension : {".bin", ".pth", ".pt", ".ckpt"}) {
        const std::string file = write("dino" + extension, "\x80\x02}q");
        EXPECT_EQ(message_of<FormatError>([&] { CheckpointSource source(file); }),
                  advice(file, path("dino.safetensors")));
    }
}

TEST_F(CheckpointSourceTest, Fault39TellsHowToConvertAFolderOfPickles) {
    write("a.bin", "x");
    write("pytorch_model.bin", "PK\x03\x04");
    EXPECT_EQ(message_of<FormatError>([&] { CheckpointSource source(folder_.path()); }),
              advice(path("pytorch_model.bin"), path("model.safetensors")));
}

TEST_F(CheckpointSourceTest, Fault39QuotesNamesForTheShell) {
    const std::string file = write("it's.pth", "x");
    const std::string message = message_of<FormatError>([&] { CheckpointSource source(file); });
    EXPECT_TRUE(message.ends_with("it'\\''s.safetensors'")) << message;
}

TEST_F(CheckpointSourceTest, SaysWhatAFolderLacks) {
    EXPECT_EQ(
        message_of<FormatError>([&] { CheckpointSource source(folder_.path()); }),
        folder_.path() + ": holds neither model.safetensors nor model.safetensors.index.json");
    EXPECT_EQ(message_of<IoError>([&] { CheckpointSource source(path("none.pth")); }),
              path("none.pth") + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace balmer::weights
