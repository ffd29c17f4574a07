#include "train/device_step.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "kernels/adamw/adamw.h"
#include "kernels/core/error.h"
#include "kernels/core/profile.h"
#include "kernels/core/transfer.h"
#include "kernels/reduce/reduce.h"
#include "tensor/ops.h"

namespace balmer::train {

namespace {

constexpr std::int64_t runs_before_capture = 2;
constexpr std::int64_t first_loss = 2;  // in the report, after the norm and the flag

Tensor scalar(DType dtype, const Context& context) {
    return Tensor::zeros({1}, dtype, context);
}

/// Rows [begin, begin + count) of every head's labels.
std::vector<LabelTensors> rows_of(const std::vector<LabelTensors>& labels, std::int64_t begin,
                                  std::int64_t count) {
    std::vector<LabelTensors> rows(labels.size());
    for (std::size_t h = 0; h < labels.size(); ++h) {
        if (!labels[h].target.defined()) continue;
        rows[h] = {slice(labels[h].target, 0, begin, count),
                   slice(labels[h].share, 0, begin, count)};
    }
    return rows;
}

}  // namespace

DeviceStep::DeviceStep(const vit::Model& model, const InputBuilder& input,
                       const TargetTable& targets, AdamW& optimiser, WeightAverage* average,
                       const Options& options, Note note)
    : model_(model),
      input_(input),
      targets_(targets),
      optimiser_(optimiser),
      average_(average),
      options_(options),
      note_(std::move(note)),
      context_(model.context()),
      staging_(context_),
      steps_(scalar(DType::i64, context_)),
      norm_(scalar(DType::f64, context_)),
      gradient_scale_(scalar(DType::f64, context_)),
      is_skipped_(scalar(DType::i32, context_)),
      report_(Tensor::zeros({first_loss + options.batch}, DType::f32, context_)),
      reports_{Report(context_.device), Report(context_.device)} {
    for (Report& report : reports_) {
        report.values = PinnedBuffer(static_cast<std::size_t>(report_.numel()) * sizeof(float));
    }
    set_steps(optimiser_.steps());
}

DeviceStep::~DeviceStep() {
    try {
        while (pending() > 0) collect();
    } catch (const Error&) {
        // A device that failed says so to whoever uses it next.
    }
}

void DeviceStep::set_steps(std::int64_t steps) {
    if (pending() > 0) throw Error("device step: an update is pending");
    steps_.copy_from(Tensor::from(std::vector<std::int64_t>{steps}, {1}));
}

std::int64_t DeviceStep::micro_batch_of(std::int64_t size) const {
    return options_.micro_batch == 0 ? size : std::min(size, options_.micro_batch);
}

void DeviceStep::stage(const data::Batch& batch, Inputs& inputs) {
    const ProfileRange range("inputs");
    inputs.size = batch.size;
    const InputBuilder::Arrays arrays = input_.arrays(batch);
    inputs.arrays.resize(arrays.views.size());
    for (std::size_t i = 0; i < arrays.views.size(); ++i) {
        if (arrays.views[i]) staging_.put(arrays.views[i], inputs.arrays[i]);
    }
    input_.augment(inputs.arrays);
    const std::vector<double> normalisers = loss_normalisers(targets_, batch.rows);
    inputs.labels.resize(targets_.heads().size());
    for (std::size_t h = 0; h < inputs.labels.size(); ++h) {
        const double weight = options_.loss.weights.empty() ? 1.0 : options_.loss.weights.at(h);
        if (weight == 0.0) continue;
        HeadLabels labels = labels_of(targets_, h, batch.rows, batch.log_stretch);
        for (float& share : labels.weights) share *= static_cast<float>(weight / normalisers[h]);
        const bool is_classification = targets_.heads()[h].is_classification();
        const Shape shape = is_classification ? Shape{batch.size} : Shape{batch.size, 1};
        const View target = is_classification ? View(labels.classes.data(), DType::i64, shape)
                                              : View(labels.values.data(), DType::f32, shape);
        staging_.put(target, inputs.labels[h].target);
        staging_.put(View(labels.weights.data(), DType::f32, shape), inputs.labels[h].share);
    }
}

void DeviceStep::submit(const data::Batch& batch, const Scalars& scalars, Random& random) {
    if (pending() == reports_.size()) throw Error("device step: two updates are pending already");
    staging_.begin();
    seed_ = random.seed();
    stream_ = random.stream();
    // Finite: the difference of an infinite loss and an infinite limit would be NaN.
    constexpr double largest = std::numeric_limits<float>::max();
    staging_.put_value(scalars.learning_rate, learning_rate_);
    staging_.put_value(static_cast<float>(std::min(scalars.largest_loss, largest)), largest_loss_);
    staging_.put_value(static_cast<std::int64_t>(random.position()), random_advance_);
    if (average_ != nullptr) {
        const auto update = optimiser_.steps() + static_cast<std::int64_t>(pending()) + 1;
        staging_.put_value(static_cast<float>(average_->share(update)), average_share_);
    }

    // Spectra on grids of their own make batches of any length.
    const bool is_full = batch.size == options_.batch && batch.wavelength.empty();
    Inputs own;
    Inputs& inputs = is_full ? full_ : own;
    stage(batch, inputs);
    if (is_full) {
        run_full();
    } else {
        run_in_memory(inputs);
    }
    random.seek(random.position() + inputs.draws);

    Report& report = reports_[submitted_ % reports_.size()];
    report.size = batch.size;
    report.micro_batch = micro_batch_of(batch.size);
    copy_bytes(context_, report.values.data(), Device{}, report_.view().data, context_.device,
               report.values.bytes());
    report.arrived.record(context_);
    ++submitted_;
}

DeviceStep::Outcome DeviceStep::collect() {
    if (pending() == 0) throw Error("device step: no update is pending");
    const Report& report = reports_[collected_ % reports_.size()];
    report.arrived.synchronize();
    ++collected_;
    const auto* values = static_cast<const float*>(report.values.data());
    const std::int64_t parts = (report.size + report.micro_batch - 1) / report.micro_batch;
    Outcome outcome{.gradient_norm = values[0],
                    .is_skipped = values[1] != 0.0F,
                    .micro_batch = report.micro_batch,
                    .losses = {values + first_loss, values + first_loss + parts}};
    for (const double loss : outcome.losses) outcome.loss += loss;
    if (!outcome.is_skipped) optimiser_.set_steps(optimiser_.steps() + 1);
    return outcome;
}

void DeviceStep::run_full() {
    if (!graph_ && may_capture_ && full_runs_ >= runs_before_capture) {
        refresh_low_precision();
        try {
            graph_.emplace(context_, [this] { run(full_); });
        } catch (const DeviceError& error) {
            may_capture_ = false;
            note_(fmt::format("updates are not captured in a graph: {}", error.what()));
        }
    }
    if (!graph_) {
        ++full_runs_;
        return run_in_memory(full_);
    }
    refresh_low_precision();
    graph_->replay(context_);
}

/// Copies in a lower precision are made when they are asked for; a replayed graph does not ask.
void DeviceStep::refresh_low_precision() const {
    for (const auto& [name, tensor] : model_.parameters()) {
        const Tensor copy = tensor.cached_low_precision();
        if (copy.defined()) tensor.low_precision(copy.dtype());
    }
}

void DeviceStep::run(Inputs& inputs) {
    try {
        forward_backward(inputs);
        update(inputs);
    } catch (...) {
        // Gradients must not keep the memory of a capture that failed.
        optimiser_.clear_gradients();
        throw;
    }
}

void DeviceStep::run_in_memory(Inputs& inputs) {
    for (;;) {
        try {
            forward_backward(inputs);
            break;
        } catch (const OutOfMemoryError& error) {
            optimiser_.clear_gradients();
            const std::int64_t micro_batch = micro_batch_of(inputs.size);
            if (micro_batch == 1) throw;
            options_.micro_batch = (micro_batch + 1) / 2;
            graph_.reset();
            full_runs_ = 0;
            note_(fmt::format("{} spectra a forward pass instead of {}: {}", options_.micro_batch,
                              micro_batch, error.what()));
        }
    }
    update(inputs);
}

void DeviceStep::forward_backward(Inputs& inputs) {
    const ProfileRange range("forward and backward");
    optimiser_.clear_gradients();
    Random random(seed_, stream_);  // from the place that `random_advance_` says
    const std::int64_t micro_batch = micro_batch_of(inputs.size);
    std::int64_t part = 0;
    for (std::int64_t begin = 0; begin < inputs.size; begin += micro_batch) {
        const std::int64_t count = std::min(micro_batch, inputs.size - begin);
        const std::vector<Tensor> outputs = model_.forward(
            input_.build(inputs.arrays, begin, count), {.training = true,
                                                        .random = &random,
                                                        .random_advance = random_advance_,
                                                        .precision = options_.precision});
        const Tensor loss = task_loss(rows_of(inputs.labels, begin, count), outputs, options_.loss);
        slice(report_, 0, first_loss + part++, 1).copy_from(reshape(loss.detach(), {1}));
        loss.backward();
    }
    inputs.draws = random.position();
}

void DeviceStep::update(const Inputs& inputs) {
    const ProfileRange range("update");
    const NoGrad no_grad;
    const std::int64_t micro_batch = micro_batch_of(inputs.size);
    const std::int64_t parts = (inputs.size + micro_batch - 1) / micro_batch;
    const Tensor norm = slice(report_, 0, 0, 1);
    optimiser_.gradient_norm(norm.view());
    const Tensor losses = slice(report_, 0, first_loss, parts);
    const Tensor loss = reshape(sum(losses), {1});
    // 0 where the loss is usable; NaN where it is above its limit, infinite or NaN.
    const Tensor fault = affine(square_root(largest_loss_ - loss), 0.0);
    const std::array<View, 2> both = {norm.view(), fault.view()};
    kernels::global_norm(context_, both, norm_.view());
    kernels::prepare_adamw(context_, {.norm = norm_.view(),
                                      .limit = options_.clip,
                                      .gradient_scale = gradient_scale_.view(),
                                      .is_skipped = is_skipped_.view(),
                                      .step = steps_.view()});
    optimiser_.step({.learning_rate = learning_rate_.view(),
                     .step = steps_.view(),
                     .gradient_scale = gradient_scale_.view(),
                     .is_skipped = is_skipped_.view()});
    const Tensor skipped = cast(is_skipped_, DType::f32);
    slice(report_, 0, 1, 1).copy_from(skipped);
    if (average_ != nullptr) average_->update(average_share_ * affine(skipped, -1.0, 1.0));
    optimiser_.clear_gradients();
}

}  // namespace balmer::train
