#pragma once
// One update on a device that the host does not wait for: inputs and scalars go up through pinned
// memory; forward, backward, norm, clipping, the decision to skip and AdamW follow one another on
// the stream; what the host wants to know comes back through pinned memory and is read a step
// later. Full batches are captured in a graph after two updates and replayed from there on.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/graph.h"
#include "kernels/core/random.h"
#include "kernels/core/stream.h"
#include "train/model_input.h"
#include "train/staging.h"
#include "train/task.h"
#include "train/weight_average.h"

namespace balmer::train {

class DeviceStep {
  public:
    struct Options {
        std::int64_t batch = 0;        ///< of a full batch
        std::int64_t micro_batch = 0;  ///< spectra a forward pass; 0: the whole batch
        double clip = 0.0;             ///< largest norm of the gradient; 0: none
        DType precision = DType::f32;
        LossOptions loss = {};
    };
    /// Told what the user should hear.
    using Note = std::function<void(const std::string&)>;

    /// Everything given must outlive the object; `average` may be null. The optimiser's number of
    /// updates is taken over.
    DeviceStep(const vit::Model& model, const InputBuilder& input, const TargetTable& targets,
               AdamW& optimiser, WeightAverage* average, const Options& options, Note note);
    ~DeviceStep();
    DeviceStep(const DeviceStep&) = delete;
    DeviceStep& operator=(const DeviceStep&) = delete;

    struct Scalars {
        double learning_rate = 0.0;
        double largest_loss = 0.0;  ///< a loss above it is skipped; infinite: none is
    };
    /// Puts an update on the stream; nothing of the batch is needed afterwards. The update leaves
    /// everything as it is where the loss is above its limit, or loss or gradient not finite. Moves
    /// `random` by what the update draws. Two updates may be pending (Error for a third).
    ///
    /// Where memory does not suffice the micro-batch is halved, with a note; OutOfMemoryError if
    /// that does not help.
    void submit(const data::Batch& batch, const Scalars& scalars, Random& random);

    struct Outcome {
        double loss = 0.0;
        double gradient_norm = 0.0;
        bool is_skipped = false;
        std::int64_t micro_batch = 0;
        std::vector<double> losses = {};  ///< of the micro-batches, which add up to `loss`
    };
    /// What came of the oldest pending update, for whose end this waits (Error if there is none).
    /// An update that was made counts in the optimiser's steps().
    Outcome collect();
    std::size_t pending() const { return submitted_ - collected_; }

    /// The device counts updates from `steps` on; no update may be pending.
    void set_steps(std::int64_t steps);

    /// Spectra a forward pass: what was asked for, or what memory allows; 0: the whole batch.
    std::int64_t micro_batch() const { return options_.micro_batch; }
    /// True once full batches are replayed from a graph.
    bool is_captured() const { return graph_.has_value(); }

  private:
    /// A batch on the device.
    struct Inputs {
        std::int64_t size = 0;
        std::vector<Tensor> arrays;  ///< of InputBuilder::arrays
        std::vector<LabelTensors> labels;
        std::uint64_t draws = 0;  ///< random numbers that its forward passes draw
    };
    /// Where the device's report arrives.
    struct Report {
        explicit Report(Device device) : arrived(device) {}
        PinnedBuffer values;
        Event arrived;
        std::int64_t size = 0;
        std::int64_t micro_batch = 0;
    };

    void stage(const data::Batch& batch, Inputs& inputs);
    void run_full();
    void run(Inputs& inputs);
    void run_in_memory(Inputs& inputs);
    void forward_backward(Inputs& inputs);
    void update(const Inputs& inputs);
    void refresh_low_precision() const;
    std::int64_t micro_batch_of(std::int64_t size) const;

    const vit::Model& model_;
    const InputBuilder& input_;
    const TargetTable& targets_;
    AdamW& optimiser_;
    WeightAverage* average_;
    Options options_;
    Note note_;
    Context context_;

    Staging staging_;
    Inputs full_;             ///< a full batch, at addresses that stay
    Tensor learning_rate_;    ///< f64 [1]
    Tensor largest_loss_;     ///< f32 [1]
    Tensor random_advance_;   ///< i64 [1]
    Tensor average_share_;    ///< f32 [1]
    Tensor steps_;            ///< i64 [1]: updates made
    Tensor norm_;             ///< f64 [1], NaN where the update is to be skipped
    Tensor gradient_scale_;   ///< f64 [1]
    Tensor is_skipped_;       ///< i32 [1]
    Tensor report_;           ///< f32 [2 + batch]: norm, skipped, losses
    std::uint64_t seed_ = 0;  ///< of the random numbers, and their stream
    std::uint64_t stream_ = 0;
    std::int64_t full_runs_ = 0;
    bool may_capture_ = true;
    std::optional<Graph> graph_;

    std::array<Report, 2> reports_;
    std::size_t submitted_ = 0;
    std::size_t collected_ = 0;
};

}  // namespace balmer::train
