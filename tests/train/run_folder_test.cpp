#include "train/run_folder.h"

#include <cmath>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/data/pack_test_support.h"

namespace balmer::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class RunFolderTest : public ::testing::Test {
  protected:
    TemporaryFolder folder_;
    std::string run_ = folder_ / "runs/a";

    std::vector<json> lines() const {
        std::vector<json> all;
        std::ifstream file(run_ + "/metrics.jsonl");
        for (std::string line; std::getline(file, line);) all.push_back(json::parse(line));
        return all;
    }
};

TEST_F(RunFolderTest, Fault50SecondRunInOneFolderIsAnError) {
    const RunFolder first(run_, ExistingRun::refuse);
    EXPECT_THROW(RunFolder(run_, ExistingRun::overwrite), IoError);
    EXPECT_THROW(RunFolder(run_, ExistingRun::resume), IoError);
}

TEST_F(RunFolderTest, Fault53ExistingRunIsRefusedUnlessAsked) {
    {
        const RunFolder first(run_, ExistingRun::refuse);
        first.append({.step = 1});
    }
    EXPECT_THROW(RunFolder(run_, ExistingRun::refuse), UsageError);
    EXPECT_EQ(lines().size(), 1U);
    EXPECT_NO_THROW(RunFolder(run_, ExistingRun::resume));
    EXPECT_EQ(lines().size(), 1U);
}

TEST_F(RunFolderTest, OverwritingDeletesTheFilesOfARunAlone) {
    fs::create_directories(run_ + "/checkpoints");
    data::write_text(run_ + "/model.safetensors", "x");
    data::write_text(run_ + "/notes.txt", "mine");
    const RunFolder folder(run_, ExistingRun::overwrite);
    EXPECT_FALSE(fs::exists(run_ + "/model.safetensors"));
    EXPECT_FALSE(fs::exists(run_ + "/checkpoints"));
    EXPECT_EQ(data::read_text(run_ + "/notes.txt"), "mine");
}

TEST_F(RunFolderTest, Fault47FolderThatCannotBeMadeIsAnError) {
    data::write_text(folder_ / "file", "");
    EXPECT_THROW(RunFolder(folder_ / "file/run", ExistingRun::refuse), IoError);
}

TEST_F(RunFolderTest, MetricsAreOneObjectALine) {
    const RunFolder folder(run_, ExistingRun::refuse);
    folder.append({.step = 10,
                   .epoch = 1,
                   .split = "train",
                   .loss = 0.5,
                   .learning_rate = 1e-4,
                   .gradient_norm = NAN,
                   .spectra_per_second = 12.0,
                   .metrics = {{"accuracy", 0.75}}});
    const json line = lines().at(0);
    EXPECT_EQ(line["step"], 10);
    EXPECT_EQ(line["split"], "train");
    EXPECT_EQ(line["lr"], 1e-4);
    EXPECT_TRUE(line["grad_norm"].is_null());
    EXPECT_EQ(line["accuracy"], 0.75);
    EXPECT_FALSE(line.contains("note"));
}

TEST_F(RunFolderTest, ResumedRunForgetsTheLinesItWritesAgain) {
    const RunFolder folder(run_, ExistingRun::refuse);
    for (const std::int64_t step : {1, 2, 3, 4}) folder.append({.step = step});
    std::ofstream(run_ + "/metrics.jsonl", std::ios::app) << "{\"step\": 5, \"lo";  // cut short
    folder.truncate_metrics(2);
    ASSERT_EQ(lines().size(), 2U);
    EXPECT_EQ(lines().back()["step"], 2);
}

}  // namespace
}  // namespace balmer::train
