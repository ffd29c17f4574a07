// Images drawn straight into patch rows train as images do, update for update.

#include <gtest/gtest.h>

#include "tests/kernels/kernel_testing.h"
#include "tests/temporary_folder.h"
#include "tests/train/train_test_support.h"

namespace balmer::train {
namespace {

struct Losses : Observer {
    std::vector<double> losses;
    void on_step(const StepReport& report) override { losses.push_back(report.loss); }
    void on_epoch(const EpochReport&) override {}
    void on_note(const std::string&) override {}
};

class FusedInput : public ::testing::Test {
  protected:
    std::vector<double> losses_with(const std::string& input) {
        const kernels::testing::ScopedVariable choice("BALMER_CHOICE", "model_input=" + input);
        Losses recorder;
        TrainOptions options;
        options.epochs = 20;
        options.batch = 8;
        options.learning_rate = 1e-3;
        options.max_steps = 20;
        options.log_every = 1;
        SmallRun run(set_, folder_ / input, options, recorder, ExistingRun::refuse, 0.1);
        run.trainer->run();
        return recorder.losses;
    }

    TemporaryFolder folder_;
    std::shared_ptr<const data::PackedSet> set_ = make_set(folder_ / "set", 60);
};

TEST_F(FusedInput, TwentyStepsHaveTheLossesOfTheTwoStepPath) {
    const std::vector<double> fused = losses_with("patch_rows");
    EXPECT_EQ(fused.size(), 20U);
    EXPECT_EQ(fused, losses_with("image"));
}

TEST_F(FusedInput, AnUnknownChoiceIsNamed) {
    EXPECT_THROW(losses_with("nothing"), UsageError);
}

}  // namespace
}  // namespace balmer::train
