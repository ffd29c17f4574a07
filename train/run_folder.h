#pragma once
// The folder of a training run: who may write there, and what it holds.
//
//   config.json, model.safetensors, preprocessor_config.json   the best weights
//   validation.json    their evaluation on the validation set
//   resolved.toml      every option of the run
//   metrics.jsonl      one object a line: every logged step, every epoch, every skipped update
//   checkpoints/       see train/checkpoint.h

#include <cstdint>
#include <map>
#include <string>

#include "data/pack/folder_lock.h"

namespace balmer::train {

/// What to do where the folder already holds a run.
enum class ExistingRun : std::uint8_t { refuse, resume, overwrite };

/// A line of metrics.jsonl. NaN and absent numbers are written as null.
struct MetricsLine {
    std::int64_t step = 0;
    std::int64_t epoch = 0;
    std::string split = {};
    double loss = 0.0;
    double learning_rate = 0.0;
    double gradient_norm = 0.0;
    double spectra_per_second = 0.0;
    std::map<std::string, double> metrics = {};
    std::string note = {};  ///< left out where empty
};

class RunFolder {
  public:
    /// Creates the folder where it is missing, proves that it can be written to and locks it for as
    /// long as the object lives. IoError if the system refuses or another run holds the lock
    /// (FAULTS 47, 50); UsageError if there is a run and `existing` refuses it (53). Overwriting
    /// deletes the files of a run and nothing else.
    RunFolder(const std::string& path, ExistingRun existing);

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const;
    std::string checkpoints() const { return file("checkpoints"); }

    void append(const MetricsLine& line) const;
    /// Forgets the lines of steps after `step`: those that a resumed run takes again.
    void truncate_metrics(std::int64_t step) const;

  private:
    std::string path_;
    data::FolderLock lock_;
};

}  // namespace balmer::train
