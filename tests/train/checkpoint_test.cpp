#include "train/checkpoint.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/data/pack_test_support.h"
#include "weights/safetensors.h"

namespace balmer::train {
namespace {

namespace fs = std::filesystem;

std::vector<NamedTensor> tensors_of(float value) {
    return {{"model.a", Tensor::full({2, 3}, value)}, {"first_moment.a", Tensor::full({4}, value)}};
}

RunState state_of(std::int64_t step) {
    RunState state;
    state.step = step;
    state.optimiser_steps = step - 1;
    state.epoch = 3;
    state.batch = 7;
    state.random_position = 0xFFFFFFFFFFFFFFF0U;
    state.best_score = 0.1;  // not exact in binary: must come back to the bit
    state.best_epoch = 2;
    state.evaluated_epochs = 3;
    state.loss_mean = 1.0 / 3.0;
    state.settings = {{"batch", "32"}, {"seed", "42"}};
    return state;
}

/// Changes one byte of a file, counted from its end.
void flip_byte(const std::string& path, std::int64_t from_end) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-from_end, std::ios::end);
    const int byte = file.get();
    file.seekp(-from_end, std::ios::end);
    file.put(static_cast<char>(byte ^ 1));
}

class CheckpointTest : public ::testing::Test {
  protected:
    TemporaryFolder folder_;
    CheckpointFolder checkpoints_{folder_ / "checkpoints"};
    std::vector<NamedTensor> target_ = tensors_of(0.0F);

    void save(std::int64_t step) { checkpoints_.save(state_of(step), tensors_of(step)); }
    float value() const { return target_[0].tensor.to_vector<float>()[5]; }
};

TEST_F(CheckpointTest, ComesBackToTheBit) {
    save(5);
    const auto loaded = checkpoints_.load_newest(target_);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(value(), 5.0F);
    const RunState want = state_of(5);
    EXPECT_EQ(loaded->state.step, want.step);
    EXPECT_EQ(loaded->state.optimiser_steps, want.optimiser_steps);
    EXPECT_EQ(loaded->state.epoch, want.epoch);
    EXPECT_EQ(loaded->state.batch, want.batch);
    EXPECT_EQ(loaded->state.random_position, want.random_position);
    EXPECT_EQ(loaded->state.best_score, want.best_score);
    EXPECT_EQ(loaded->state.best_epoch, want.best_epoch);
    EXPECT_EQ(loaded->state.evaluated_epochs, want.evaluated_epochs);
    EXPECT_EQ(loaded->state.loss_mean, want.loss_mean);
    EXPECT_EQ(loaded->state.settings, want.settings);
    EXPECT_TRUE(loaded->passed_over.empty());
}

TEST_F(CheckpointTest, NothingIsLoadedFromAnEmptyFolder) {
    EXPECT_FALSE(checkpoints_.load_newest(target_));
}

TEST_F(CheckpointTest, TheTwoNewestStay) {
    for (const std::int64_t step : {9, 10, 100, 1000}) save(step);
    const auto paths = checkpoints_.paths();
    ASSERT_EQ(paths.size(), 2U);
    EXPECT_TRUE(paths[0].ends_with("step-0000000100.safetensors"));
    EXPECT_TRUE(paths[1].ends_with("step-0000001000.safetensors"));
}

TEST_F(CheckpointTest, Fault48FlippedBitFallsBackAndSaysSo) {
    save(1);
    save(2);
    flip_byte(checkpoints_.paths()[1], 3);  // in the data of a tensor
    const auto loaded = checkpoints_.load_newest(target_);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->state.step, 1);
    EXPECT_EQ(value(), 1.0F);
    ASSERT_EQ(loaded->passed_over.size(), 1U);
    EXPECT_NE(loaded->passed_over[0].find("checksum mismatch in tensor"), std::string::npos);
}

TEST_F(CheckpointTest, Fault48FlippedBitInTheMetadataFallsBack) {
    save(1);
    save(2);
    const std::string path = checkpoints_.paths()[1];
    std::string bytes = data::read_text(path);
    const std::size_t place = bytes.find("\\\"step\\\":2");
    ASSERT_NE(place, std::string::npos);
    bytes[place + 9] = '3';
    data::write_text(path, bytes);
    const auto loaded = checkpoints_.load_newest(target_);
    EXPECT_EQ(loaded->state.step, 1);
    EXPECT_NE(loaded->passed_over.at(0).find("checksum mismatch in the metadata"),
              std::string::npos);
}

TEST_F(CheckpointTest, Fault44TruncatedFileFallsBack) {
    save(1);
    save(2);
    const std::string path = checkpoints_.paths()[1];
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{7}, fs::file_size(path) - 1}) {
        fs::resize_file(path, bytes);
        const auto loaded = checkpoints_.load_newest(target_);
        ASSERT_TRUE(loaded) << bytes;
        EXPECT_EQ(loaded->state.step, 1) << bytes;
    }
}

TEST_F(CheckpointTest, Fault48NoneThatChecksOutIsAnError) {
    save(1);
    flip_byte(checkpoints_.paths()[0], 3);
    EXPECT_THROW(checkpoints_.load_newest(target_), FormatError);
    EXPECT_EQ(value(), 0.0F);  // nothing was changed
}

TEST_F(CheckpointTest, Fault52LaterFormatVersionIsAnErrorNotAFallback) {
    save(1);
    save(2);
    const std::string path = checkpoints_.paths()[1];
    const weights::SafetensorsFile file(path);
    weights::Metadata metadata = file.metadata();
    metadata["format_version"] = "2";
    weights::write_safetensors(path, {{"model.a", tensors_of(2)[0].tensor.view()}}, metadata);
    try {
        checkpoints_.load_newest(target_);
        FAIL() << "loaded";
    } catch (const FormatError& error) {
        EXPECT_NE(std::string(error.what()).find("format version 2"), std::string::npos);
    }
}

TEST_F(CheckpointTest, AnotherModelsCheckpointIsAnErrorThatNamesTheTensor) {
    save(1);
    const std::vector<NamedTensor> other = {{"model.b", Tensor::zeros({2})}};
    EXPECT_THROW(checkpoints_.load_newest(other), FormatError);
    const std::vector<NamedTensor> larger = {{"model.a", Tensor::zeros({2, 4})},
                                             {"first_moment.a", Tensor::zeros({4})}};
    try {
        checkpoints_.load_newest(larger);
        FAIL() << "loaded";
    } catch (const FormatError& error) {
        EXPECT_NE(std::string(error.what())
                      .find("'model.a' is F32 [2, 3], the model's is F32 "
                            "[2, 4]"),
                  std::string::npos)
            << error.what();
    }
}

TEST_F(CheckpointTest, Fault49TemporaryFilesOfDeadWritersGo) {
    save(1);
    const std::string stale = folder_ / "checkpoints/.step-0000000002.safetensors.tmp-999999999-0";
    data::write_text(stale, "half");
    const CheckpointFolder again(folder_ / "checkpoints");
    EXPECT_FALSE(fs::exists(stale));
    EXPECT_EQ(again.load_newest(target_)->state.step, 1);
}

TEST_F(CheckpointTest, Fault47FolderThatCannotBeMadeIsAnErrorAtTheStart) {
    data::write_text(folder_ / "file", "");
    EXPECT_THROW(CheckpointFolder(folder_ / "file/checkpoints"), IoError);
}

TEST_F(CheckpointTest, SavingAfterGoingBackDropsLaterOnes) {
    save(1);
    save(8);
    save(2);
    const auto loaded = checkpoints_.load_newest(target_);
    EXPECT_EQ(loaded->state.step, 2);
}

}  // namespace
}  // namespace balmer::train
