#include "train/trainer.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/train/train_test_support.h"
#include "vit/model_directory.h"

namespace balmer::train {
namespace {

namespace fs = std::filesystem;

/// Remembers everything and stops after a step, as a signal does.
struct Recorder : Observer {
    std::vector<StepReport> steps;
    std::vector<EpochReport> epochs;
    std::vector<std::string> notes;
    std::int64_t stop_after = std::numeric_limits<std::int64_t>::max();

    void on_step(const StepReport& report) override { steps.push_back(report); }
    void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
    void on_note(const std::string& note) override { notes.push_back(note); }
    bool should_stop() override { return !steps.empty() && steps.back().step >= stop_after; }
    bool has_note(const std::string& part) const {
        for (const std::string& note : notes) {
            if (note.find(part) != std::string::npos) return true;
        }
        return false;
    }
};

TrainOptions small_options() {
    TrainOptions options;
    options.epochs = 3;
    options.batch = 8;
    options.learning_rate = 3e-3;
    options.warmup = 0.1;
    options.log_every = 1;
    return options;
}

class TrainerTest : public ::testing::Test {
  protected:
    std::string run(const std::string& name) const { return folder_ / name; }

    TemporaryFolder folder_;
    std::shared_ptr<const data::PackedSet> set_ = make_set(folder_ / "set", 60);
    Recorder recorder_;
};

TEST_F(TrainerTest, LearnsClassesAndRedshiftsOfASmallSet) {
    TrainOptions options = small_options();
    options.epochs = 40;  // 13 spectra validate: by then 11 are right, at 25 epochs 8 to 10
    SmallRun small(set_, run("a"), options, recorder_);
    EXPECT_EQ(small.trainer->run(), Outcome::finished);
    EXPECT_LT(recorder_.epochs.back().training_loss, 0.4 * recorder_.epochs.front().training_loss);
    EXPECT_GT(recorder_.epochs.back().metrics.at("accuracy"), 0.7);
    EXPECT_GT(recorder_.epochs.back().metrics.at("z_r2"), 0.5);
    for (const char* name :
         {"config.json", "model.safetensors", "preprocessor_config.json", "validation.json"}) {
        EXPECT_TRUE(fs::exists(run("a") + "/" + name)) << name;
    }
    // One line a step and one an epoch.
    std::istringstream lines(data::read_text(run("a") + "/metrics.jsonl"));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) ++count;
    EXPECT_EQ(count, recorder_.steps.size() + recorder_.epochs.size());
}

TEST_F(TrainerTest, ResumedRunHasTheBitsOfAnUninterruptedOne) {
    const TrainOptions whole = small_options();
    SmallRun first(set_, run("whole"), whole, recorder_, ExistingRun::refuse, 0.2);
    first.trainer->run();

    TrainOptions half = whole;
    half.max_steps = 5;  // in the middle of the second epoch
    Recorder quiet;
    {
        SmallRun second(set_, run("parts"), half, quiet, ExistingRun::refuse, 0.2);
        second.trainer->run();
        EXPECT_EQ(second.trainer->state().step, 5);
        EXPECT_FALSE(weights_of(*second.model) == weights_of(*first.model));
    }
    SmallRun third(set_, run("parts"), whole, quiet, ExistingRun::resume, 0.2);
    third.trainer->resume();
    EXPECT_EQ(third.trainer->state().step, 5);
    third.trainer->run();
    EXPECT_EQ(third.trainer->state().step, first.trainer->state().step);
    EXPECT_TRUE(weights_of(*third.model) == weights_of(*first.model));
    EXPECT_EQ(third.trainer->state().best_epoch, first.trainer->state().best_epoch);
}

TEST_F(TrainerTest, Fault61StoppedRunSavesAndContinuesWithTheSameBits) {
    const TrainOptions options = small_options();
    SmallRun first(set_, run("whole"), options, recorder_);
    first.trainer->run();

    // After step 2, and after the last step of the first epoch, before its evaluation.
    const std::int64_t steps_an_epoch = recorder_.epochs.front().step;
    for (const std::int64_t stop : {std::int64_t{2}, steps_an_epoch}) {
        const std::string path = run("stopped" + std::to_string(stop));
        Recorder stopping;
        stopping.stop_after = stop;
        {
            SmallRun second(set_, path, options, stopping);
            EXPECT_EQ(second.trainer->run(), Outcome::stopped);
            EXPECT_EQ(second.trainer->state().step, stop);
        }
        Recorder resumed;
        SmallRun third(set_, path, options, resumed, ExistingRun::resume);
        third.trainer->resume();
        EXPECT_EQ(third.trainer->run(), Outcome::finished);
        EXPECT_TRUE(weights_of(*third.model) == weights_of(*first.model));
        EXPECT_EQ(resumed.epochs.size(), recorder_.epochs.size());
    }
}

TEST_F(TrainerTest, Fault51ResumingAnotherRunNamesEveryDifference) {
    TrainOptions options = small_options();
    options.max_steps = 2;
    SmallRun(set_, run("a"), options, recorder_).trainer->run();
    options.batch = 4;
    options.seed = 7;
    options.sampling = {.mode = data::SamplingMode::class_balanced, .max_per_class = 3};
    SmallRun other(set_, run("a"), options, recorder_, ExistingRun::resume);
    try {
        other.trainer->resume();
        FAIL() << "resumed";
    } catch (const UsageError& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find("batch was 8, is 4"), std::string::npos) << message;
        EXPECT_NE(message.find("seed was 42, is 7"), std::string::npos) << message;
        EXPECT_NE(message.find("sampling was uniform, is class-balanced"), std::string::npos);
        EXPECT_NE(message.find("max-per-class was 0, is 3"), std::string::npos) << message;
    }
}

TEST_F(TrainerTest, Fault59GoesBackToTheLastCheckpointAndOn) {
    TrainOptions options = small_options();
    options.strikes = 2;
    options.checkpoint_every = 1;
    options.max_steps = 3;
    SmallRun small(set_, run("a"), options, recorder_);
    small.trainer->run();
    const Tensor weight = small.model->parameter("norm.weight");
    weight.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
    weight.mark_changed();

    options.max_steps = 0;
    Recorder after;
    Trainer again(*small.model, set_,
                  TargetTable(small.model->config().heads, set_->size(),
                              [&](std::int64_t row) { return set_->labels(row); }),
                  options, small.folder, after);
    EXPECT_EQ(again.run(), Outcome::finished);
    EXPECT_TRUE(after.has_note("update of step 1 skipped: loss nan"));
    EXPECT_TRUE(after.has_note("spec-"));  // the spectra are named
    EXPECT_TRUE(after.has_note("weights are those of"));
    for (const auto& values : weights_of(*small.model)) {
        for (const float value : values) ASSERT_TRUE(std::isfinite(value));
    }
}

TEST_F(TrainerTest, Fault59WithoutACheckpointFails) {
    TrainOptions options = small_options();
    options.strikes = 3;
    SmallRun small(set_, run("a"), options, recorder_);
    small.model->parameter("norm.weight").data<float>()[0] = std::numeric_limits<float>::infinity();
    EXPECT_THROW(small.trainer->run(), NumericalError);
    EXPECT_FALSE(fs::exists(run("a") + "/model.safetensors"));
}

TEST_F(TrainerTest, Fault60SkipsALossFarAboveItsMean) {
    TrainOptions options = small_options();
    options.epochs = 14;
    options.batch = 4;
    options.learning_rate = 1e-8;     // the losses stay what they are
    options.spike_deviations = 1e-6;  // every one above the mean
    options.strikes = 1000;
    SmallRun small(set_, run("a"), options, recorder_);
    small.trainer->run();
    ASSERT_GT(small.trainer->state().step, 100);
    EXPECT_TRUE(recorder_.has_note("skipped: loss"));
    // The first hundred updates only teach what is usual.
    EXPECT_FALSE(recorder_.has_note("update of step 100 skipped"));
}

TEST_F(TrainerTest, MicroBatchesGiveTheUpdateOfTheWholeBatch) {
    TrainOptions options = small_options();
    options.epochs = 1;
    SmallRun whole(set_, run("whole"), options, recorder_);
    whole.trainer->run();
    options.micro_batch = 3;
    Recorder micro_recorder;
    SmallRun micro(set_, run("micro"), options, micro_recorder);
    micro.trainer->run();
    ASSERT_EQ(recorder_.steps.size(), micro_recorder.steps.size());
    for (std::size_t i = 0; i < recorder_.steps.size(); ++i) {
        EXPECT_NEAR(micro_recorder.steps[i].loss, recorder_.steps[i].loss,
                    1e-4 * recorder_.steps[i].loss);
    }
}

TEST_F(TrainerTest, FrozenBackboneStaysAsItIs) {
    TrainOptions options = small_options();
    options.epochs = 1;
    SmallRun reference(set_, run("a"), options, recorder_);
    const vit::ModelConfig config = reference.model->config();
    const auto model = vit::make_model(config, options.seed, one_thread());
    model->set_backbone_requires_grad(false);
    const RunFolder folder(run("b"), ExistingRun::refuse);
    Trainer trainer(*model, set_,
                    TargetTable(config.heads, set_->size(),
                                [&](std::int64_t row) { return set_->labels(row); }),
                    options, folder, recorder_);
    trainer.run();
    for (const auto& [name, tensor] : model->parameters()) {
        const auto before = reference.model->parameter(name).to_vector<float>();
        EXPECT_EQ(tensor.to_vector<float>() == before, !vit::Model::is_head_parameter(name))
            << name;
    }
}

TEST_F(TrainerTest, Bf16LearnsToo) {
    TrainOptions options = small_options();
    options.epochs = 8;
    options.precision = DType::bf16;
    SmallRun small(set_, run("a"), options, recorder_);
    small.trainer->run();
    EXPECT_LT(recorder_.epochs.back().training_loss, 0.8 * recorder_.epochs.front().training_loss);
}

TEST_F(TrainerTest, BestWeightsOfTheFolderGiveTheScoreThatChoseThem) {
    SmallRun small(set_, run("a"), small_options(), recorder_);
    small.trainer->run();
    const auto model = vit::load_model(run("a"));
    EXPECT_EQ(model->config().heads, small.model->config().heads);
    EXPECT_EQ(input_options(model->config()).image.block_size, 1);
    double best = -1e9;
    for (const EpochReport& epoch : recorder_.epochs) best = std::max(best, epoch.score);
    EXPECT_EQ(small.trainer->state().best_score, best);
}

/// Three epochs of averaged weights on augmented spectra.
TrainOptions averaged_options() {
    TrainOptions options = small_options();
    options.ema = 0.9;
    options.augment = render::augment_options_from("noise,shift,mask,scale");
    return options;
}

TEST_F(TrainerTest, ResumedRunWithAverageAndAugmentationHasTheSameBits) {
    const TrainOptions whole = averaged_options();
    SmallRun first(set_, run("whole"), whole, recorder_, ExistingRun::refuse, 0.2);
    first.trainer->run();
    TrainOptions half = whole;
    half.max_steps = 5;  // in the middle of the second epoch
    Recorder quiet;
    SmallRun(set_, run("parts"), half, quiet, ExistingRun::refuse, 0.2).trainer->run();
    Recorder resumed;
    SmallRun third(set_, run("parts"), whole, resumed, ExistingRun::resume, 0.2);
    third.trainer->resume();
    third.trainer->run();
    EXPECT_TRUE(weights_of(*third.model) == weights_of(*first.model));
    EXPECT_EQ(resumed.epochs.back().validation_loss, recorder_.epochs.back().validation_loss);
    EXPECT_EQ(third.trainer->state().best_loss, first.trainer->state().best_loss);
    EXPECT_TRUE(weights_of(*vit::load_model(run("parts"))) ==
                weights_of(*vit::load_model(run("whole"))));
}

TEST_F(TrainerTest, AveragedWeightsAreSavedAndTheOthersTrainOnUndisturbed) {
    TrainOptions options = small_options();
    SmallRun plain(set_, run("plain"), options, recorder_);
    plain.trainer->run();
    options.ema = 0.9;
    Recorder averaged_recorder;
    SmallRun averaged(set_, run("averaged"), options, averaged_recorder);
    averaged.trainer->run();
    EXPECT_TRUE(weights_of(*averaged.model) == weights_of(*plain.model));
    EXPECT_FALSE(weights_of(*vit::load_model(run("averaged"))) ==
                 weights_of(*vit::load_model(run("plain"))));
    EXPECT_NE(averaged_recorder.epochs.back().validation_loss,
              recorder_.epochs.back().validation_loss);
}

TEST_F(TrainerTest, AugmentationChangesTheUpdatesAndNotTheValidation) {
    TrainOptions options = small_options();
    options.learning_rate = 1e-12;  // the weights stay what they are
    options.weight_decay = 0.0;
    options.batch = 64;  // every epoch is one batch, of the same spectra
    SmallRun plain(set_, run("plain"), options, recorder_);
    plain.trainer->run();
    options.augment = averaged_options().augment;
    Recorder augmented;
    SmallRun other(set_, run("augmented"), options, augmented);
    other.trainer->run();
    EXPECT_NE(augmented.steps.front().loss, recorder_.steps.front().loss);
    EXPECT_NEAR(augmented.epochs.front().validation_loss, recorder_.epochs.front().validation_loss,
                1e-6);
    // Every epoch sees other spectra.
    EXPECT_NEAR(recorder_.epochs[1].training_loss, recorder_.epochs[0].training_loss, 1e-6);
    EXPECT_GT(std::abs(augmented.epochs[1].training_loss - augmented.epochs[0].training_loss),
              1e-4);
}

TEST_F(TrainerTest, BestByLossKeepsTheEpochOfTheSmallestValidationLoss) {
    TrainOptions options = small_options();
    options.epochs = 8;
    options.learning_rate = 2e-2;
    options.best_by = BestBy::loss;
    SmallRun small(set_, run("a"), options, recorder_);
    small.trainer->run();
    double smallest = std::numeric_limits<double>::infinity();
    std::int64_t epoch = -1;
    for (const EpochReport& report : recorder_.epochs) {
        if (report.validation_loss < smallest) {
            smallest = report.validation_loss;
            epoch = report.epoch;
        }
    }
    EXPECT_EQ(small.trainer->state().best_epoch, epoch);
    EXPECT_EQ(small.trainer->state().best_loss, smallest);
}

TEST_F(TrainerTest, Fault42OptionsThatMakeNoSenseAreNamed) {
    const auto expect_refused = [&](auto change, const std::string& name) {
        TrainOptions options = small_options();
        change(options);
        try {
            SmallRun small(set_, run(name), options, recorder_);
            ADD_FAILURE() << name;
        } catch (const UsageError& error) {
            EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
        }
    };
    expect_refused([](TrainOptions& o) { o.learning_rate = NAN; }, "--lr");
    expect_refused([](TrainOptions& o) { o.learning_rate = 0.0; }, "--lr 0");
    expect_refused([](TrainOptions& o) { o.batch = 0; }, "--batch 0");
    expect_refused([](TrainOptions& o) { o.warmup = -1.0; }, "--warmup");
    expect_refused([](TrainOptions& o) { o.ema = 1.0; }, "--ema 1");
}

}  // namespace
}  // namespace balmer::train
