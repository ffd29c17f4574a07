// A whole training step on simt, kernel for kernel what a GPU runs, beside the same one on the CPU.

#include <cmath>

#include <gtest/gtest.h>

#include "tests/train/train_test_support.h"
#include "vit/model_directory.h"

namespace balmer::train {
namespace {

struct Recorder : Observer {
    std::vector<StepReport> steps;
    std::vector<EpochReport> epochs;
    std::vector<std::string> notes;
    void on_step(const StepReport& report) override { steps.push_back(report); }
    void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
    void on_note(const std::string& note) override { notes.push_back(note); }
};

TrainOptions three_steps() {
    TrainOptions options;
    options.epochs = 20;
    options.max_steps = 3;
    options.batch = 4;
    options.learning_rate = 1e-3;
    options.log_every = 1;
    return options;
}

/// The weights of a model that training determines. A bias of the keys is none: it adds the same to
/// all scores of a query, which softmax takes away again, so that its gradient is rounding error,
/// which Adam scales up to the learning rate.
std::map<std::string, std::vector<float>> determined_weights(const vit::Model& model) {
    std::map<std::string, std::vector<float>> weights;
    for (const auto& [name, tensor] : model.parameters()) {
        auto& values = weights[name] = tensor.to_vector<float>();
        if (!name.ends_with("qkv.bias")) continue;
        const auto third = static_cast<std::ptrdiff_t>(values.size() / 3);
        values.erase(values.begin() + third, values.begin() + 2 * third);
    }
    return weights;
}

/// Every element within `bound` times the largest of its tensor.
void expect_same_weights(const vit::Model& actual, const vit::Model& expected, double bound) {
    auto values = determined_weights(actual);
    for (const auto& [name, reference] : determined_weights(expected)) {
        double difference = 0.0;
        double largest = 0.0;
        for (std::size_t i = 0; i < reference.size(); ++i) {
            difference = std::max(difference, std::abs(double{values[name][i]} - reference[i]));
            largest = std::max(largest, std::abs(double{reference[i]}));
        }
        EXPECT_LE(difference, bound * largest) << name;
    }
}

/// The root mean square of the difference of all weights.
double distance(const vit::Model& first, const vit::Model& second) {
    auto values = determined_weights(first);
    double squares = 0.0;
    double count = 0.0;
    for (const auto& [name, other] : determined_weights(second)) {
        for (std::size_t i = 0; i < other.size(); ++i) {
            squares += std::pow(double{values[name][i]} - other[i], 2);
            count += 1.0;
        }
    }
    return std::sqrt(squares / count);
}

/// A run on one device. The model, its weights and the data depend on the configuration alone.
struct DeviceRun {
    DeviceRun(std::shared_ptr<const data::PackedSet> set, const std::string& path,
              vit::ModelConfig config, const TrainOptions& options, const Context& context,
              ExistingRun existing = ExistingRun::refuse)
        : folder(path, existing) {
        const LabelSource labels = [set](std::int64_t row) { return set->labels(row); };
        config.heads = fit_heads({"class", "z"}, rows_in(*set, data::Split::train), labels);
        model = vit::make_model(config, options.seed, context);
        trainer = std::make_unique<Trainer>(
            *model, set, TargetTable(config.heads, set->size(), labels), options, folder, observer);
    }

    RunFolder folder;
    Recorder observer;
    std::unique_ptr<vit::Model> model;
    std::unique_ptr<Trainer> trainer;
};

class DeviceTraining : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!is_built_for(DeviceType::simt)) GTEST_SKIP() << "this build has no simt";
    }

    std::string path(const std::string& name) const { return folder_ / name; }

    /// Losses and norms of three steps.
    static void expect_same_reports(const DeviceRun& actual, const DeviceRun& expected,
                                    double bound) {
        ASSERT_EQ(actual.observer.steps.size(), 3U);
        for (std::size_t i = 0; i < 3; ++i) {
            const StepReport& one = actual.observer.steps[i];
            const StepReport& other = expected.observer.steps[i];
            EXPECT_NEAR(one.loss, other.loss, bound * other.loss) << "step " << i + 1;
            EXPECT_NEAR(one.gradient_norm, other.gradient_norm, bound * other.gradient_norm)
                << "step " << i + 1;
        }
    }

    void expect_same_training(const vit::ModelConfig& config, const TrainOptions& options) {
        DeviceRun expected(set_, path("cpu"), config, options, one_thread());
        DeviceRun actual(set_, path("simt"), config, options, simt_context());
        ASSERT_TRUE(weights_of(*actual.model) == weights_of(*expected.model));
        expected.trainer->run();
        actual.trainer->run();
        expect_same_reports(actual, expected, 1e-5);
        expect_same_weights(*actual.model, *expected.model, 1e-4);
    }

    TemporaryFolder folder_;
    std::shared_ptr<const data::PackedSet> set_ = make_set(folder_ / "set", 40);
};

// Bounds of f32: the devices differ in the order of their sums, of up to a few thousand terms of
// relative error 6e-8 that partly cancel: 1e-5 of losses and norms. Adam divides a gradient by its
// own size, so that three updates of 1e-3 carry relative errors of up to 1e-3, where gradients
// nearly cancel, into weights of 0.02 to 1: 1e-4 of the largest.

TEST_F(DeviceTraining, VisionTransformerMatchesTheCpu) {
    expect_same_training(tiny_vit(), three_steps());
}

TEST_F(DeviceTraining, Transformer1dMatchesTheCpu) {
    expect_same_training(tiny_transformer_1d(), three_steps());
}

TEST_F(DeviceTraining, DropPathMicroBatchesAndAverageMatchTheCpu) {
    vit::ModelConfig config = tiny_vit();
    config.drop_path = 0.4;
    TrainOptions options = three_steps();
    options.micro_batch = 3;  // 3 + 1
    options.ema = 0.9;
    expect_same_training(config, options);
    // What a run leaves behind is its average.
    expect_same_weights(*vit::load_model(path("simt")), *vit::load_model(path("cpu")), 1e-4);
}

TEST_F(DeviceTraining, AugmentationOnTheDeviceMatchesTheCpu) {
    TrainOptions options = three_steps();
    options.augment = render::augment_options_from("noise,shift,mask,scale");
    expect_same_training(tiny_vit(), options);
}

// bf16 keeps 8 bits: a dozen roundings of 2^-9 on the way to the loss make 0.7 %, and both devices
// three times that at most. Against f32 the weights may be twice as far off as the CPU's in bf16.
TEST_F(DeviceTraining, Bf16MatchesTheCpuWithinItsRounding) {
    TrainOptions options = three_steps();
    DeviceRun exact(set_, path("f32"), tiny_vit(), options, one_thread());
    exact.trainer->run();
    options.precision = DType::bf16;
    DeviceRun expected(set_, path("cpu"), tiny_vit(), options, one_thread());
    expected.trainer->run();
    DeviceRun actual(set_, path("simt"), tiny_vit(), options, simt_context());
    actual.trainer->run();
    expect_same_reports(actual, expected, 0.02);
    EXPECT_GT(distance(*expected.model, *exact.model), 0.0);
    EXPECT_LE(distance(*actual.model, *exact.model), 2.0 * distance(*expected.model, *exact.model));
}

TEST_F(DeviceTraining, EpochsOfUnequalBatchesAndTheirEvaluationsMatchTheCpu) {
    vit::ModelConfig config = tiny_vit();
    config.drop_path = 0.2;
    TrainOptions options = three_steps();
    options.epochs = 3;
    options.max_steps = 0;
    options.batch = 14;  // of 24 spectra: 14 and 10
    options.ema = 0.9;
    DeviceRun expected(set_, path("cpu"), config, options, one_thread());
    expected.trainer->run();
    DeviceRun actual(set_, path("simt"), config, options, simt_context());
    actual.trainer->run();
    EXPECT_EQ(actual.observer.steps.size(), expected.observer.steps.size());
    ASSERT_EQ(actual.observer.epochs.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        const EpochReport& one = actual.observer.epochs[i];
        const EpochReport& other = expected.observer.epochs[i];
        EXPECT_EQ(one.step, other.step);
        EXPECT_NEAR(one.training_loss, other.training_loss, 1e-5 * other.training_loss);
        EXPECT_NEAR(one.validation_loss, other.validation_loss, 1e-5 * other.validation_loss);
    }
    EXPECT_EQ(actual.trainer->state().random_position, expected.trainer->state().random_position);
    EXPECT_EQ(actual.trainer->state().optimiser_steps, expected.trainer->state().optimiser_steps);
}

TEST_F(DeviceTraining, ResumedRunHasTheBitsOfAnUninterruptedOne) {
    vit::ModelConfig config = tiny_vit();
    config.drop_path = 0.4;
    TrainOptions options = three_steps();
    options.ema = 0.9;
    options.precision = DType::bf16;
    options.max_steps = 4;
    DeviceRun whole(set_, path("whole"), config, options, simt_context());
    whole.trainer->run();
    TrainOptions half = options;
    half.max_steps = 2;
    DeviceRun(set_, path("parts"), config, half, simt_context()).trainer->run();
    DeviceRun resumed(set_, path("parts"), config, options, simt_context(), ExistingRun::resume);
    resumed.trainer->resume();
    resumed.trainer->run();
    EXPECT_TRUE(weights_of(*resumed.model) == weights_of(*whole.model));
    EXPECT_TRUE(weights_of(*vit::load_model(path("parts"))) ==
                weights_of(*vit::load_model(path("whole"))));
}

TEST_F(DeviceTraining, TwoSchedulesGiveTheSameBits) {
    vit::ModelConfig config = tiny_vit();
    config.drop_path = 0.4;
    std::vector<std::vector<std::vector<float>>> weights;
    for (const std::uint64_t seed : {1U, 2U}) {
        const simt::Schedule schedule = simt::Schedule::of_seed(seed);
        DeviceRun run(set_, path("seed" + std::to_string(seed)), config, three_steps(),
                      simt_context(&schedule));
        run.trainer->run();
        weights.push_back(weights_of(*run.model));
    }
    EXPECT_TRUE(weights[0] == weights[1]);
}

TEST_F(DeviceTraining, CheckpointsResumeOnTheOtherDevice) {
    TrainOptions half = three_steps();
    half.max_steps = 2;
    DeviceRun whole(set_, path("whole"), tiny_vit(), three_steps(), one_thread());
    whole.trainer->run();
    const std::pair<Context, Context> ways[] = {{simt_context(), one_thread()},
                                                {one_thread(), simt_context()}};
    for (const auto& [first, second] : ways) {
        const std::string name = "to " + name_of(second.device);
        DeviceRun(set_, path(name), tiny_vit(), half, first).trainer->run();
        DeviceRun resumed(set_, path(name), tiny_vit(), three_steps(), second, ExistingRun::resume);
        resumed.trainer->resume();
        EXPECT_EQ(resumed.trainer->state().step, 2);
        resumed.trainer->run();
        SCOPED_TRACE(name);
        expect_same_weights(*resumed.model, *whole.model, 1e-4);
    }
}

TEST_F(DeviceTraining, Fault59GoesBackToTheLastCheckpointWithAStepUnderWay) {
    TrainOptions options = three_steps();
    options.strikes = 2;
    options.checkpoint_every = 1;
    DeviceRun run(set_, path("run"), tiny_vit(), options, simt_context());
    run.trainer->run();
    const Tensor weight = run.model->parameter("norm.weight");
    weight.copy_from(Tensor::full(weight.shape(), NAN));
    weight.mark_changed();

    options.max_steps = 5;
    options.checkpoint_every = 0;
    Recorder after;
    Trainer again(*run.model, set_,
                  TargetTable(run.model->config().heads, set_->size(),
                              [&](std::int64_t row) { return set_->labels(row); }),
                  options, run.folder, after);
    EXPECT_EQ(again.run(), Outcome::finished);
    ASSERT_EQ(after.notes.size(), 3U);
    EXPECT_NE(after.notes[0].find("update of step 1 skipped: loss nan"), std::string::npos);
    EXPECT_NE(after.notes[0].find("spec-"), std::string::npos);  // the spectra are named
    EXPECT_NE(after.notes[1].find("update of step 2 skipped"), std::string::npos);
    EXPECT_NE(after.notes[2].find("weights are those of"), std::string::npos);
    EXPECT_EQ(again.state().step, 5);
    for (const auto& values : weights_of(*run.model)) {
        for (const float value : values) ASSERT_TRUE(std::isfinite(value));
    }
}

}  // namespace
}  // namespace balmer::train
