#pragma once
// The training loop: batch -> image -> model -> losses -> gradients -> AdamW.
//
// A run is a pure function of (weights, data, options): on the CPU a resumed run gives the bits of
// an uninterrupted one. On other devices an update is under way while the next batch is prepared
// (train/device_step.h), and what came of it is known a step later.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/pack/loader.h"
#include "data/pack/sampling.h"
#include "render/augment/augment.h"
#include "train/checkpoint.h"
#include "train/device_step.h"
#include "train/evaluation.h"
#include "train/model_input.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/task.h"
#include "train/weight_average.h"
#include "vit/model.h"

namespace balmer::train {

/// What makes weights the best so far: the score of the metrics (the validation loss where two are
/// equal), or the validation loss alone, which a few dozen spectra make less noisy.
enum class BestBy : std::uint8_t { score, loss };

/// "score", "loss", and back; UsageError naming the two.
const char* name_of(BestBy best_by);
BestBy best_by_named(const std::string& name);

struct TrainOptions {
    std::int64_t epochs = 30;
    std::int64_t batch = 64;
    std::int64_t micro_batch = 0;  ///< spectra a forward pass; 0: the whole batch
    std::int64_t max_steps = 0;    ///< stop after this step; 0: after the epochs
    double learning_rate = 1e-5;
    double weight_decay = 0.01;
    double warmup = 0.0;  ///< see warmup_steps()
    Decay decay = Decay::linear;
    double clip = 1.0;  ///< largest norm of the gradient; 0: none
    double ema = 0.0;   ///< decay of the averaged weights, see WeightAverage; 0: no average
    BestBy best_by = BestBy::score;
    render::AugmentOptions augment = {};  ///< of training spectra; `shift` moves z alike
    data::Sampling sampling = {};         ///< of both splits' objects, and of training rows
    std::uint64_t seed = 42;
    DType precision = DType::f32;
    LossOptions loss;
    LabelOptions labels;
    std::int64_t log_every = 10;
    /// Steps between checkpoints; 0: every ten minutes, and at the end of an epoch where the last
    /// one is a minute old.
    std::int64_t checkpoint_every = 0;
    /// Updates skipped in a row (loss or gradient not finite, loss far off) before the weights of
    /// the last checkpoint come back; the second time the run fails.
    std::int64_t strikes = 5;
    /// A loss this many deviations above its running mean is skipped; 0: none is.
    double spike_deviations = 12.0;
};

/// UsageError naming the option and its value unless the options make sense (FAULTS 42).
void validate(const TrainOptions& options);

struct StepReport {
    std::int64_t step = 0;  ///< steps taken, this one included
    std::int64_t total_steps = 0;
    std::int64_t epoch = 0;
    double loss = 0.0;
    double learning_rate = 0.0;
    double gradient_norm = 0.0;
    double spectra_per_second = 0.0;
};

struct EpochReport {
    std::int64_t step = 0;
    std::int64_t epoch = 0;
    double training_loss = 0.0;
    double validation_loss = 0.0;
    double spectra_per_second = 0.0;
    double score = 0.0;
    bool is_best = false;
    std::map<std::string, double> metrics = {};
};

/// What a program does with the news of a run. The library itself prints nothing.
class Observer {
  public:
    virtual ~Observer() = default;
    virtual void on_step(const StepReport&) {}
    virtual void on_epoch(const EpochReport&) {}
    /// Something the user should hear: a resumed position, a skipped update, a damaged checkpoint.
    virtual void on_note(const std::string&) {}
    /// True to stop after this step (a signal came).
    virtual bool should_stop() { return false; }
};

enum class Outcome : std::uint8_t { finished, stopped };

class Trainer {
  public:
    /// `targets` are of the whole set; `settings` is what a resumed run must have in common with
    /// the one it continues, beside the trainer's own options.
    Trainer(vit::Model& model, std::shared_ptr<const data::PackedSet> set, TargetTable targets,
            TrainOptions options, const RunFolder& folder, Observer& observer,
            std::map<std::string, std::string> settings = {});
    ~Trainer();

    /// Takes up the newest checkpoint; nothing if there is none. UsageError naming every setting
    /// that differs (FAULTS 51).
    void resume();

    /// Trains to the end, or until the observer stops it (a checkpoint is saved then). The folder
    /// holds the best weights on the validation set by TrainOptions::best_by, or the last ones
    /// where that set is empty; with `ema` these are averaged weights. NumericalError if the loss
    /// stays not finite.
    Outcome run();

    const RunState& state() const { return state_; }

  private:
    struct BatchResult {
        double loss = 0.0;
        double gradient_norm = 0.0;
        bool is_finite = true;
        bool is_skipped = false;
        std::vector<std::int64_t> suspects = {};  ///< rows of the micro-batches that are not finite
    };
    /// A step whose update is under way.
    struct BegunStep {
        std::vector<std::int64_t> rows;
        std::int64_t epoch = 0;
        double learning_rate = 0.0;
    };

    void augment(data::Batch& batch) const;
    BatchResult forward_backward(const data::Batch& batch);
    void train_step(const data::Batch& batch);
    void finish_oldest();
    void finish_all();
    void finish(const BegunStep& step, const BatchResult& result);
    void forget_begun();
    std::int64_t begun_steps() const;
    double largest_loss() const;
    bool is_better(const EpochReport& report) const;
    void skip_update(const BegunStep& step, const BatchResult& result);
    void end_epoch(std::int64_t epoch);
    double validate(Evaluation& evaluation);
    void save_best(const Evaluation& evaluation);
    void save_checkpoint();
    std::vector<NamedTensor> checkpoint_tensors() const;

    vit::Model& model_;
    std::shared_ptr<const data::PackedSet> set_;
    TargetTable targets_;
    TrainOptions options_;
    const RunFolder& folder_;
    Observer& observer_;
    InputBuilder input_;
    AdamW optimiser_;
    std::unique_ptr<WeightAverage> average_;  ///< null without --ema
    CheckpointFolder checkpoints_;
    Random random_;
    Schedule schedule_;
    std::unique_ptr<data::Loader> loader_;
    std::unique_ptr<DeviceStep> device_step_;  ///< null on the CPU
    std::deque<BegunStep> begun_;              ///< oldest first; empty on the CPU
    std::vector<std::int64_t> validation_rows_;
    RunState state_;

    struct Clock;
    std::unique_ptr<Clock> clock_;
};

}  // namespace balmer::train
