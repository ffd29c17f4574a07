#include "train/trainer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "train/inference.h"
#include "vit/model_directory.h"
#include "weights/atomic_file.h"

namespace balmer::train {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr double loss_memory = 0.98;  // of the running mean of the loss, per update
constexpr std::int64_t updates_before_spikes = 100;
constexpr double seconds_between_checkpoints = 600.0;
constexpr double seconds_before_epoch_checkpoint = 60.0;

double seconds_since(SteadyClock::time_point start) {
    return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

std::vector<std::int64_t> labelled_rows(const data::PackedSet& set, const TargetTable& targets,
                                        data::Split split, const TrainOptions& options) {
    std::vector<std::int64_t> rows =
        data::rows_of(set, std::array{split}, options.sampling, options.seed);
    std::erase_if(rows, [&](std::int64_t row) { return !targets.has_any_label(row); });
    return rows;
}

std::map<std::string, std::string> settings_of(const TrainOptions& options,
                                               std::map<std::string, std::string> settings) {
    settings["epochs"] = std::to_string(options.epochs);
    settings["batch"] = std::to_string(options.batch);
    settings["lr"] = fmt::format("{}", options.learning_rate);
    settings["weight-decay"] = fmt::format("{}", options.weight_decay);
    settings["warmup"] = fmt::format("{}", options.warmup);
    settings["schedule"] = name_of(options.decay);
    settings["clip"] = fmt::format("{}", options.clip);
    settings["seed"] = std::to_string(options.seed);
    settings["precision"] = name_of(options.precision);
    settings["huber-delta"] = fmt::format("{}", options.loss.huber_delta);
    settings["loss-weights"] = fmt::format("{}", fmt::join(options.loss.weights, ","));
    settings["ema"] = fmt::format("{}", options.ema);
    settings["best-by"] = name_of(options.best_by);
    settings["augment"] = render::to_string(options.augment);
    settings["sampling"] = name_of(options.sampling.mode);
    settings["max-per-class"] = std::to_string(options.sampling.max_per_class);
    settings["use-flagged-redshifts"] = options.labels.use_flagged_redshifts ? "yes" : "no";
    return settings;
}

}  // namespace

const char* name_of(BestBy best_by) {
    return best_by == BestBy::score ? "score" : "loss";
}

BestBy best_by_named(const std::string& name) {
    for (const BestBy best_by : {BestBy::score, BestBy::loss}) {
        if (name == name_of(best_by)) return best_by;
    }
    throw UsageError(fmt::format("--best-by: '{}' is not one of score, loss", name));
}

void validate(const TrainOptions& options) {
    const auto expect = [](bool is_good, const char* option, double value, const char* wanted) {
        if (!is_good) throw UsageError(fmt::format("--{} {}: {}", option, value, wanted));
    };
    const auto count = [&](std::int64_t value, std::int64_t least, const char* option) {
        expect(value >= least, option, static_cast<double>(value),
               least == 0 ? "must not be negative" : "must be at least 1");
    };
    count(options.epochs, 1, "epochs");
    count(options.batch, 1, "batch");
    count(options.micro_batch, 0, "micro-batch");
    count(options.max_steps, 0, "max-steps");
    count(options.sampling.max_per_class, 0, "max-per-class");
    count(options.log_every, 1, "log-every");
    count(options.checkpoint_every, 0, "checkpoint-every");
    expect(std::isfinite(options.learning_rate) && options.learning_rate > 0.0, "lr",
           options.learning_rate, "must be a positive number");
    expect(std::isfinite(options.weight_decay) && options.weight_decay >= 0.0, "weight-decay",
           options.weight_decay, "must be a number that is not negative");
    expect(std::isfinite(options.warmup) && options.warmup >= 0.0, "warmup", options.warmup,
           "must be a fraction or a number of steps");
    expect(options.ema >= 0.0 && options.ema < 1.0, "ema", options.ema,
           "must be a decay from 0 to below 1");
    expect(std::isfinite(options.clip) && options.clip >= 0.0, "clip", options.clip,
           "must be a number that is not negative");
}

struct Trainer::Clock {
    SteadyClock::time_point log = SteadyClock::now();
    SteadyClock::time_point checkpoint = SteadyClock::now();
    SteadyClock::time_point epoch = SteadyClock::now();
    std::int64_t spectra_since_log = 0;
    std::int64_t spectra_this_epoch = 0;
    double epoch_loss = 0.0;
    std::int64_t epoch_updates = 0;
};

Trainer::Trainer(vit::Model& model, std::shared_ptr<const data::PackedSet> set, TargetTable targets,
                 TrainOptions options, const RunFolder& folder, Observer& observer,
                 std::map<std::string, std::string> settings)
    : model_(model),
      set_(std::move(set)),
      targets_(std::move(targets)),
      options_(std::move(options)),
      folder_(folder),
      observer_(observer),
      input_(model.config(), model.context(), options_.precision),
      optimiser_(model.parameters(), {.weight_decay = options_.weight_decay}),
      checkpoints_(folder.checkpoints()),
      random_(options_.seed, /*stream=*/1),
      clock_(std::make_unique<Clock>()) {
    train::validate(options_);
    if (options_.augment.shift > 0 && input_.options().grid != data::Grid::common) {
        throw UsageError("--augment shift: needs the common grid (--grid common)");
    }
    if (options_.ema > 0.0) {
        average_ = std::make_unique<WeightAverage>(model_.parameters(), options_.ema);
    }
    loader_ = std::make_unique<data::Loader>(
        set_, data::LoaderOptions{
                  .splits = {data::Split::train},
                  .batch_size = options_.batch,
                  .shuffle = true,
                  .seed = options_.seed,
                  .grid = input_.options().grid,
                  .keep = [this](const data::PackedSet&,
                                 std::int64_t row) { return targets_.has_any_label(row); },
                  .prepare = [this](data::Batch& batch) { augment(batch); },
                  .sampling = options_.sampling,
                  .on_stall =
                      [this](double seconds) {
                          observer_.on_note(fmt::format(
                              "warning: {:.0f} s without a batch: is {} on a disk that answers?",
                              seconds, set_->folder()));
                      }});
    validation_rows_ = labelled_rows(*set_, targets_, data::Split::validation, options_);
    schedule_.peak = options_.learning_rate;
    schedule_.total_steps = options_.epochs * loader_->batches_per_epoch();
    schedule_.warmup_steps = warmup_steps(options_.warmup, schedule_.total_steps);
    schedule_.decay = options_.decay;
    state_.settings = settings_of(options_, std::move(settings));
    if (model_.context().device.type == DeviceType::cpu) return;
    const auto rows = static_cast<std::int64_t>(loader_->rows().size());
    device_step_ =
        std::make_unique<DeviceStep>(model_, input_, targets_, optimiser_, average_.get(),
                                     DeviceStep::Options{.batch = std::min(options_.batch, rows),
                                                         .micro_batch = options_.micro_batch,
                                                         .clip = options_.clip,
                                                         .precision = options_.precision,
                                                         .loss = options_.loss},
                                     [this](const std::string& note) { observer_.on_note(note); });
}

Trainer::~Trainer() = default;

std::vector<NamedTensor> Trainer::checkpoint_tensors() const {
    std::vector<NamedTensor> tensors;
    for (const auto& [name, tensor] : model_.parameters()) {
        tensors.push_back({"model." + name, tensor});
    }
    for (const NamedTensor& moment : optimiser_.moments()) tensors.push_back(moment);
    if (average_) {
        for (const NamedTensor& average : average_->tensors()) tensors.push_back(average);
    }
    return tensors;
}

void Trainer::save_checkpoint() {
    finish_all();
    // The weights may be what makes the loss unusable: the last checkpoint stays the newest.
    if (state_.strikes > 0) return;
    state_.optimiser_steps = optimiser_.steps();
    state_.random_position = random_.position();
    state_.rollbacks = 0;
    checkpoints_.save(state_, checkpoint_tensors());
    clock_->checkpoint = SteadyClock::now();
}

void Trainer::resume() {
    const std::optional<CheckpointFolder::Loaded> loaded =
        checkpoints_.load_newest(checkpoint_tensors());
    if (!loaded) {
        observer_.on_note("no checkpoint to resume from: starting anew");
        folder_.truncate_metrics(0);
        return;
    }
    for (const std::string& fault : loaded->passed_over) {
        observer_.on_note("damaged checkpoint passed over: " + fault);
    }
    std::vector<std::string> differences;
    for (const auto& [name, value] : state_.settings) {
        const auto before = loaded->state.settings.find(name);
        const std::string old = before == loaded->state.settings.end() ? "" : before->second;
        if (old == value) continue;
        const std::string difference = fmt::format("{} was {}, is {}", name, old, value);
        if (name == "epochs") {
            observer_.on_note(difference + ": the learning rate follows the new length");
        } else {
            differences.push_back(difference);
        }
    }
    if (!differences.empty()) {
        throw UsageError(fmt::format("--resume: not the run of {}: {}", loaded->path,
                                     fmt::join(differences, "; ")));
    }
    const std::map<std::string, std::string> settings = state_.settings;
    state_ = loaded->state;
    state_.settings = settings;
    optimiser_.set_steps(state_.optimiser_steps);
    if (device_step_) device_step_->set_steps(optimiser_.steps());
    random_.seek(state_.random_position);
    if (state_.epoch < options_.epochs) loader_->seek(state_.epoch, state_.batch);
    folder_.truncate_metrics(state_.step);
    observer_.on_note(fmt::format("resumed from {} (step {}, epoch {})", loaded->path, state_.step,
                                  state_.epoch + 1));
}

void Trainer::augment(data::Batch& batch) const {
    if (!options_.augment.is_on()) return;
    batch.augmentation.clear();
    batch.log_stretch.clear();
    for (const std::int64_t row : batch.rows) {
        batch.augmentation.push_back(render::draw_augmentation(
            options_.augment, options_.seed, static_cast<std::uint64_t>(batch.epoch),
            static_cast<std::uint64_t>(row)));
        batch.log_stretch.push_back(render::log_stretch(batch.augmentation.back()));
    }
    if (input_.augments()) return;
    Context context;
    context.threads = 1;  // that which reads ahead; the others compute
    render::augment(context, {.batch = data::image_batch(batch, 0, batch.size),
                              .draws = render::view_of(batch.augmentation)});
    batch.augmentation.clear();
}

Trainer::BatchResult Trainer::forward_backward(const data::Batch& batch) {
    optimiser_.clear_gradients();
    const std::span<const std::int64_t> rows(batch.rows);
    const std::vector<double> normalisers = loss_normalisers(targets_, rows);
    const std::int64_t micro =
        options_.micro_batch == 0 ? batch.size : std::min(batch.size, options_.micro_batch);
    BatchResult result;
    for (std::int64_t begin = 0; begin < batch.size; begin += micro) {
        const std::int64_t count = std::min(micro, batch.size - begin);
        const auto own =
            rows.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
        const std::vector<Tensor> outputs =
            model_.forward(input_.build(batch, begin, count),
                           {.training = true, .random = &random_, .precision = options_.precision});
        const std::span<const double> stretch =
            batch.log_stretch.empty()
                ? std::span<const double>()
                : std::span(batch.log_stretch)
                      .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
        const Tensor loss = task_loss(targets_, outputs, own, normalisers, options_.loss, stretch);
        const double value = loss.item();
        result.loss += value;
        if (std::isfinite(value)) {
            loss.backward();
        } else {
            result.suspects.insert(result.suspects.end(), own.begin(), own.end());
        }
    }
    if (result.suspects.empty()) {
        result.gradient_norm = optimiser_.gradient_norm();
        if (!std::isfinite(result.gradient_norm)) result.suspects = batch.rows;
    }
    result.is_finite = result.suspects.empty();
    result.is_skipped = !result.is_finite || result.loss > largest_loss();
    return result;
}

/// Above this a loss is far off; infinite while nobody knows what is usual.
double Trainer::largest_loss() const {
    if (options_.spike_deviations <= 0.0 || optimiser_.steps() < updates_before_spikes) {
        return std::numeric_limits<double>::infinity();
    }
    return state_.loss_mean + options_.spike_deviations * std::sqrt(state_.loss_variance);
}

void Trainer::skip_update(const BegunStep& step, const BatchResult& result) {
    const std::vector<std::int64_t>& rows = result.is_finite ? step.rows : result.suspects;
    std::vector<std::string> files;
    for (const std::int64_t row : rows) {
        files.push_back(fmt::format("{}:{}", row, set_->file(row)));
    }
    const std::string note =
        fmt::format("update of step {} skipped: loss {}, gradient norm {}; spectra {}",
                    state_.step + 1, result.loss, result.gradient_norm, fmt::join(files, " "));
    observer_.on_note(note);
    folder_.append({.step = state_.step + 1,
                    .epoch = step.epoch,
                    .split = "train",
                    .loss = result.loss,
                    .gradient_norm = result.gradient_norm,
                    .note = note});
    if (++state_.strikes < options_.strikes) return;

    const std::string what = fmt::format(
        "{} updates in a row had a loss or gradient that is not usable", state_.strikes);
    if (state_.rollbacks > 0) throw NumericalError(what + ", again after going back");
    forget_begun();
    const auto loaded = checkpoints_.load_newest(checkpoint_tensors());
    if (!loaded) throw NumericalError(what + ", and there is no checkpoint to go back to");
    optimiser_.set_steps(loaded->state.optimiser_steps);
    if (device_step_) device_step_->set_steps(optimiser_.steps());
    state_.loss_mean = loaded->state.loss_mean;
    state_.loss_variance = loaded->state.loss_variance;
    state_.strikes = 0;
    ++state_.rollbacks;
    observer_.on_note(fmt::format("{}: weights are those of {} again", what, loaded->path));
}

void Trainer::train_step(const data::Batch& batch) {
    BegunStep step{.rows = batch.rows,
                   .epoch = state_.epoch,
                   .learning_rate = learning_rate(schedule_, begun_steps())};
    if (device_step_) {
        device_step_->submit(
            batch, {.learning_rate = step.learning_rate, .largest_loss = largest_loss()}, random_);
        begun_.push_back(std::move(step));
        if (begun_.size() > 1) finish_oldest();
        return;
    }
    const BatchResult result = forward_backward(batch);
    if (!result.is_skipped) {
        optimiser_.step(step.learning_rate, clip_factor(result.gradient_norm, options_.clip));
        if (average_) average_->update(optimiser_.steps());
    }
    finish(step, result);
}

std::int64_t Trainer::begun_steps() const {
    return state_.step + static_cast<std::int64_t>(begun_.size());
}

void Trainer::finish_oldest() {
    const DeviceStep::Outcome outcome = device_step_->collect();
    const BegunStep step = std::move(begun_.front());
    begun_.pop_front();
    BatchResult result{.loss = outcome.loss,
                       .gradient_norm = outcome.gradient_norm,
                       .is_skipped = outcome.is_skipped};
    const auto size = static_cast<std::int64_t>(step.rows.size());
    for (std::size_t part = 0; part < outcome.losses.size(); ++part) {
        if (std::isfinite(outcome.losses[part])) continue;
        const std::int64_t begin = static_cast<std::int64_t>(part) * outcome.micro_batch;
        const std::int64_t end = std::min(size, begin + outcome.micro_batch);
        result.suspects.insert(result.suspects.end(), step.rows.begin() + begin,
                               step.rows.begin() + end);
    }
    if (result.suspects.empty() && !std::isfinite(result.gradient_norm)) {
        result.suspects = step.rows;
    }
    result.is_finite = result.suspects.empty();
    finish(step, result);
}

void Trainer::finish_all() {
    while (!begun_.empty()) finish_oldest();
}

/// Steps under way come to nothing: weights from before them take the place of theirs.
void Trainer::forget_begun() {
    for (; !begun_.empty(); begun_.pop_front()) {
        device_step_->collect();
        ++state_.step;
    }
}

void Trainer::finish(const BegunStep& step, const BatchResult& result) {
    if (result.is_skipped) {
        skip_update(step, result);
    } else {
        state_.strikes = 0;
        const double weight = optimiser_.steps() == 1 ? 1.0 : 1.0 - loss_memory;
        const double difference = result.loss - state_.loss_mean;
        state_.loss_mean += weight * difference;
        state_.loss_variance =
            (1.0 - weight) * (state_.loss_variance + weight * difference * difference);
        clock_->epoch_loss += result.loss;
        ++clock_->epoch_updates;
    }
    const auto size = static_cast<std::int64_t>(step.rows.size());
    ++state_.step;
    clock_->spectra_since_log += size;
    clock_->spectra_this_epoch += size;
    if (state_.step % options_.log_every == 0) {
        const double spectra_per_second = static_cast<double>(clock_->spectra_since_log) /
                                          std::max(1e-9, seconds_since(clock_->log));
        folder_.append({.step = state_.step,
                        .epoch = step.epoch,
                        .split = "train",
                        .loss = result.loss,
                        .learning_rate = step.learning_rate,
                        .gradient_norm = result.gradient_norm,
                        .spectra_per_second = spectra_per_second});
        observer_.on_step({.step = state_.step,
                           .total_steps = schedule_.total_steps,
                           .epoch = step.epoch,
                           .loss = result.loss,
                           .learning_rate = step.learning_rate,
                           .gradient_norm = result.gradient_norm,
                           .spectra_per_second = spectra_per_second});
        clock_->log = SteadyClock::now();
        clock_->spectra_since_log = 0;
    }
}

double Trainer::validate(Evaluation& evaluation) {
    const NoGrad no_grad;
    const std::vector<double> normalisers = loss_normalisers(targets_, validation_rows_);
    PredictionTable table{.heads = targets_.heads(), .rows = {}};
    const auto total = static_cast<std::int64_t>(validation_rows_.size());
    const std::int64_t micro = device_step_ ? device_step_->micro_batch() : options_.micro_batch;
    const std::int64_t size = micro == 0 ? options_.batch : micro;
    double loss = 0.0;
    data::Batch batch;
    for (std::int64_t begin = 0; begin < total; begin += size) {
        const auto own = std::span<const std::int64_t>(validation_rows_)
                             .subspan(static_cast<std::size_t>(begin),
                                      static_cast<std::size_t>(std::min(size, total - begin)));
        data::fill_batch(*set_, own, input_.options().grid, batch);
        const std::vector<Tensor> outputs =
            model_.forward(input_.build(batch, 0, batch.size), {.precision = options_.precision});
        loss += task_loss(targets_, outputs, own, normalisers, options_.loss).item();
        const std::size_t first = table.rows.size();
        for (const std::int64_t row : own) table.rows.push_back(describe(*set_, row));
        decode_outputs(table.heads, outputs, {}, std::span(table.rows).subspan(first));
        if (observer_.should_stop()) break;
    }
    evaluation = evaluate(table, options_.labels);
    return loss;
}

void Trainer::save_best(const Evaluation& evaluation) {
    vit::save_model(model_, folder_.path());
    if (!evaluation.json.empty()) {
        weights::write_file_atomically(folder_.file("validation.json"), evaluation.json);
    }
}

bool Trainer::is_better(const EpochReport& report) const {
    if (validation_rows_.empty() || state_.best_epoch < 0) return true;
    if (options_.best_by == BestBy::score && report.score != state_.best_score) {
        return report.score > state_.best_score;
    }
    return report.validation_loss < state_.best_loss;
}

void Trainer::end_epoch(std::int64_t epoch) {
    finish_all();
    const AveragedWeights averaged(average_.get());
    EpochReport report{.step = state_.step, .epoch = epoch};
    report.training_loss = clock_->epoch_loss / static_cast<double>(clock_->epoch_updates);
    report.spectra_per_second = static_cast<double>(clock_->spectra_this_epoch) /
                                std::max(1e-9, seconds_since(clock_->epoch));
    Evaluation evaluation;
    if (!validation_rows_.empty()) {
        report.validation_loss = validate(evaluation);
        if (observer_.should_stop()) return;
        report.metrics = evaluation.summary;
        report.score = std::isfinite(evaluation.score) ? evaluation.score : -1.0;
    }
    const bool is_sound = state_.strikes == 0 && std::isfinite(report.validation_loss);
    report.is_best = is_sound && is_better(report);
    if (report.is_best) {
        state_.best_epoch = epoch;
        state_.best_score = report.score;
        state_.best_loss = report.validation_loss;
        save_best(evaluation);
    }
    MetricsLine line{.step = state_.step,
                     .epoch = epoch,
                     .split = "validation",
                     .loss = validation_rows_.empty() ? NAN : report.validation_loss,
                     .learning_rate = learning_rate(schedule_, state_.step - 1),
                     .gradient_norm = NAN,
                     .spectra_per_second = report.spectra_per_second,
                     .metrics = report.metrics};
    line.metrics["train_loss"] = report.training_loss;
    line.metrics["score"] = report.score;
    folder_.append(line);
    state_.evaluated_epochs = epoch + 1;
    observer_.on_epoch(report);
    const SteadyClock::time_point checkpoint = clock_->checkpoint;
    *clock_ = {};
    clock_->checkpoint = checkpoint;
}

Outcome Trainer::run() {
    *clock_ = {};
    data::Batch batch;
    bool is_saved = true;
    // A signal may have come between the last step of an epoch and its evaluation.
    if (state_.batch == 0 && state_.evaluated_epochs < state_.epoch) end_epoch(state_.epoch - 1);
    while (state_.epoch < options_.epochs &&
           (options_.max_steps == 0 || begun_steps() < options_.max_steps)) {
        loader_->next(batch);
        train_step(batch);
        const std::int64_t epoch = state_.epoch;
        if (++state_.batch == loader_->batches_per_epoch()) {
            ++state_.epoch;
            state_.batch = 0;
            end_epoch(epoch);
        }
        const double age = seconds_since(clock_->checkpoint);
        const bool is_due = options_.checkpoint_every > 0
                                ? begun_steps() % options_.checkpoint_every == 0
                                : age > (state_.batch == 0 ? seconds_before_epoch_checkpoint
                                                           : seconds_between_checkpoints);
        const bool stops = observer_.should_stop();
        is_saved = is_due || stops;
        if (is_saved) save_checkpoint();
        if (stops) return Outcome::stopped;
    }
    // A run that ends in the middle of an epoch is resumed as if it had not: its checkpoint does
    // not know of the evaluation that follows.
    if (!is_saved) save_checkpoint();
    if (state_.batch != 0) end_epoch(state_.epoch);
    return Outcome::finished;
}

}  // namespace balmer::train
