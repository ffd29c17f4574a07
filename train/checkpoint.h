#pragma once
// Checkpoints: everything a run needs to go on with the same bits, one safetensors file a
// checkpoint.
//
// RUN/checkpoints/step-00000120.safetensors holds the model's tensors, the optimiser's moments and,
// as metadata, the position of the run and a checksum (XXH3-64) of every tensor and of the metadata
// itself. A file appears whole or not at all, and one that does not check out is passed over for
// the one before it (FAULTS 44, 45, 48, 49, 52).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/optimiser.h"

namespace balmer::train {

/// Where a run stands, beside its tensors.
struct RunState {
    std::int64_t step = 0;             ///< steps taken, skipped ones included
    std::int64_t optimiser_steps = 0;  ///< updates made
    std::int64_t epoch = 0;            ///< of the next step, counted from 0
    std::int64_t batch = 0;            ///< batches of that epoch already consumed
    std::uint64_t random_position = 0;
    double best_score = 0.0;            ///< of the weights in the run folder
    double best_loss = 0.0;             ///< their validation loss
    std::int64_t best_epoch = -1;       ///< -1: none yet
    std::int64_t evaluated_epochs = 0;  ///< epochs whose validation is done
    std::int64_t strikes = 0;           ///< updates skipped in a row
    std::int64_t rollbacks = 0;         ///< times the weights went back to a checkpoint
    double loss_mean = 0.0;             ///< running, over the updates made
    double loss_variance = 0.0;
    /// What must be the same for the run to go on: "batch" -> "32", ...
    std::map<std::string, std::string> settings;
};

/// Checkpoints in a folder.
class CheckpointFolder {
  public:
    /// Creates the folder where it is missing and deletes what a killed writer left. IoError if it
    /// cannot be written to. After each save the `keep` newest stay.
    explicit CheckpointFolder(std::string folder, int keep = 2);

    /// Writes a checkpoint, then deletes those that are too old. IoError leaves the others as they
    /// are.
    void save(const RunState& state, const std::vector<NamedTensor>& tensors);

    struct Loaded {
        std::string path;
        RunState state;
        std::vector<std::string> passed_over;  ///< newer checkpoints, each with its fault
    };
    /// Loads the newest checkpoint that checks out into `tensors`; nothing if there is no file at
    /// all. FormatError if none checks out, if one was written by a later version of Balmer, or if
    /// its tensors are not those of `tensors`.
    std::optional<Loaded> load_newest(const std::vector<NamedTensor>& tensors) const;

    /// Paths, oldest first.
    std::vector<std::string> paths() const;

  private:
    std::string folder_;
    int keep_;
};

/// Writes and reads one checkpoint. Reading checks the whole file before it changes a tensor.
void write_checkpoint(const std::string& path, const RunState& state,
                      const std::vector<NamedTensor>& tensors);
RunState read_checkpoint(const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace balmer::train
