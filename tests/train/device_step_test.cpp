// The update that the host does not wait for, on simt: what it skips, counts, captures and halves.

#include "train/device_step.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "kernels/core/buffer.h"
#include "kernels/core/stream.h"
#include "kernels/core/transfer.h"
#include "tests/train/train_test_support.h"

namespace balmer::train {
namespace {

constexpr double no_limit = std::numeric_limits<double>::infinity();
constexpr std::int64_t batch_size = 4;

/// A model on simt and the means to train it.
struct Updates {
    explicit Updates(std::shared_ptr<const data::PackedSet> packed, DType precision = DType::f32,
                     double ema = 0.0, std::int64_t micro_batch = 0)
        : set(std::move(packed)) {
        const LabelSource labels = [this](std::int64_t row) { return set->labels(row); };
        rows = rows_in(*set, data::Split::train);
        vit::ModelConfig config = tiny_vit();
        config.drop_path = 0.3;
        config.heads = fit_heads({"class", "z"}, rows, labels);
        model = vit::make_model(config, 3, simt_context());
        targets = std::make_unique<TargetTable>(config.heads, set->size(), labels);
        input = std::make_unique<InputBuilder>(config, simt_context(), precision);
        optimiser = std::make_unique<AdamW>(model->parameters(), AdamWOptions{});
        if (ema > 0.0) average = std::make_unique<WeightAverage>(model->parameters(), ema);
        step = std::make_unique<DeviceStep>(
            *model, *input, *targets, *optimiser, average.get(),
            DeviceStep::Options{.batch = batch_size,
                                .micro_batch = micro_batch,
                                .clip = 1.0,
                                .precision = precision},
            [this](const std::string& note) { notes.push_back(note); });
    }

    /// An update on `size` spectra from number `first` on.
    void submit(std::size_t first, double largest_loss = no_limit, std::int64_t size = batch_size) {
        const auto own = std::span(rows).subspan(first, static_cast<std::size_t>(size));
        data::fill_batch(*set, own, data::Grid::common, batch);
        step->submit(batch, {.learning_rate = 1e-3, .largest_loss = largest_loss}, random);
    }
    DeviceStep::Outcome run(std::size_t first, double largest_loss = no_limit,
                            std::int64_t size = batch_size) {
        submit(first, largest_loss, size);
        return step->collect();
    }

    std::shared_ptr<const data::PackedSet> set;
    std::vector<std::int64_t> rows;
    std::unique_ptr<vit::Model> model;
    std::unique_ptr<TargetTable> targets;
    std::unique_ptr<InputBuilder> input;
    std::unique_ptr<AdamW> optimiser;
    std::unique_ptr<WeightAverage> average;
    std::vector<std::string> notes;
    std::unique_ptr<DeviceStep> step;
    data::Batch batch;
    Random random{5, 1};
};

class DeviceStepTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!is_built_for(DeviceType::simt)) GTEST_SKIP() << "this build has no simt";
    }

    TemporaryFolder folder_;
    std::shared_ptr<const data::PackedSet> set_ = make_set(folder_ / "set", 40);
};

TEST_F(DeviceStepTest, NeitherAllocatesNorWaitsAfterTheSecondUpdate) {
    const Device device = simt_context().device;
    for (const DType precision : {DType::f32, DType::bf16}) {
        Updates updates(set_, precision, 0.9);
        updates.submit(0);
        updates.submit(4);
        updates.step->collect();
        const std::uint64_t allocations = memory_statistics(device).allocations;
        const std::uint64_t waits = synchronisations(device);
        for (std::size_t i = 2; i < 5; ++i) {
            updates.submit(4 * i);
            updates.step->collect();
        }
        EXPECT_TRUE(updates.step->is_captured());
        EXPECT_EQ(memory_statistics(device).allocations, allocations);
        EXPECT_EQ(synchronisations(device), waits);
    }
}

TEST_F(DeviceStepTest, CounterSeesCopiesThatWouldWait) {
    const Context context = simt_context();
    const Tensor x = Tensor::zeros({4}, DType::f32, context);
    const std::uint64_t before = synchronisations(context.device);
    x.to_vector<float>();
    EXPECT_EQ(synchronisations(context.device), before + 1);
    synchronize(context);
    EXPECT_EQ(synchronisations(context.device), before + 2);
    const PinnedBuffer pinned(16);
    copy_bytes(context, static_cast<std::byte*>(pinned.data()) + 8, Device{}, x.view().data,
               context.device, 8);
    EXPECT_EQ(synchronisations(context.device), before + 2);
}

TEST_F(DeviceStepTest, Fault60SkipsALossAboveItsLimitAndChangesNothing) {
    Updates updates(set_, DType::f32, 0.9);
    const DeviceStep::Outcome made = updates.run(0);
    EXPECT_FALSE(made.is_skipped);
    EXPECT_EQ(updates.optimiser->steps(), 1);
    const auto weights = weights_of(*updates.model);
    const auto read_state = [&] {
        std::vector<std::vector<float>> values;
        for (const auto& [name, tensor] : updates.optimiser->moments()) {
            values.push_back(tensor.to_vector<float>());
        }
        for (const auto& [name, tensor] : updates.average->tensors()) {
            values.push_back(tensor.to_vector<float>());
        }
        return values;
    };
    const auto state = read_state();
    const DeviceStep::Outcome skipped = updates.run(4, 0.01);
    EXPECT_TRUE(skipped.is_skipped);
    EXPECT_GT(skipped.loss, 0.01);
    EXPECT_TRUE(std::isfinite(skipped.gradient_norm));
    EXPECT_EQ(updates.optimiser->steps(), 1);
    EXPECT_TRUE(weights_of(*updates.model) == weights);
    EXPECT_TRUE(read_state() == state);
    EXPECT_FALSE(updates.run(8).is_skipped);
    EXPECT_EQ(updates.optimiser->steps(), 2);
    EXPECT_FALSE(weights_of(*updates.model) == weights);
}

TEST_F(DeviceStepTest, ReplayedUpdatesHaveTheBitsOfEagerOnes) {
    // A batch of another size in between makes the replays follow other work.
    Updates replayed(set_);
    for (std::size_t i = 0; i < 4; ++i) {
        replayed.run(4 * i);
        replayed.run(16, no_limit, 3);
    }
    EXPECT_TRUE(replayed.step->is_captured());
    Updates eager(set_);
    for (std::size_t i = 0; i < 4; ++i) {
        // A step that is new has captured nothing yet.
        eager.step = std::make_unique<DeviceStep>(
            *eager.model, *eager.input, *eager.targets, *eager.optimiser, nullptr,
            DeviceStep::Options{.batch = batch_size, .clip = 1.0}, [](const std::string&) {});
        eager.run(4 * i);
        eager.run(16, no_limit, 3);
    }
    EXPECT_FALSE(eager.step->is_captured());
    EXPECT_EQ(eager.random.position(), replayed.random.position());
    EXPECT_TRUE(weights_of(*eager.model) == weights_of(*replayed.model));
}

TEST_F(DeviceStepTest, MicroBatchesAreHalvedWhereMemoryDoesNotSuffice) {
    const Device device = simt_context().device;
    const auto peak_of = [&](std::int64_t micro_batch) {
        Updates updates(set_, DType::f32, 0.0, micro_batch);
        reset_peak_memory(device);
        updates.run(0);
        return memory_statistics(device).peak;
    };
    release_cache(device);
    const std::size_t whole = peak_of(0);
    const std::size_t single = peak_of(1);
    ASSERT_LT(single, whole);

    Updates halved(set_);
    release_cache(device);
    limit_memory(device, (single + whole) / 2);
    const DeviceStep::Outcome outcome = halved.run(0);
    limit_memory(device, 0);
    EXPECT_LT(outcome.micro_batch, batch_size);
    ASSERT_FALSE(halved.notes.empty());
    EXPECT_NE(halved.notes[0].find("2 spectra a forward pass instead of 4"), std::string::npos)
        << halved.notes[0];
    EXPECT_EQ(outcome.losses.size(), static_cast<std::size_t>(batch_size / outcome.micro_batch));
    EXPECT_FALSE(outcome.is_skipped);
}

TEST_F(DeviceStepTest, AThirdPendingUpdateIsAnError) {
    Updates updates(set_);
    updates.submit(0);
    updates.submit(4);
    EXPECT_THROW(updates.submit(8), Error);
    EXPECT_THROW(updates.step->set_steps(3), Error);
    updates.step->collect();
    updates.step->collect();
    EXPECT_THROW(updates.step->collect(), Error);
    EXPECT_EQ(updates.optimiser->steps(), 2);
}

}  // namespace
}  // namespace balmer::train
