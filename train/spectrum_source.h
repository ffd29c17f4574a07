#pragma once
// Where vit-infer gets spectra from: a packed set or FITS files, in batches, no input lost.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/pack/loader.h"
#include "data/pack/packed_set.h"
#include "train/prediction.h"

namespace balmer::train {

/// A batch of spectra and the place of each in the table of predictions.
struct SourceBatch {
    data::Batch spectra;
    std::vector<std::size_t> places;
};

/// Called for every full batch and the last one. Returns false to stop.
using BatchSink = std::function<bool(const SourceBatch& batch)>;

/// Reads rows of a packed set. `table.rows` gets one row each, with status and reason where no good
/// pixel is where models look.
void read_packed(const data::PackedSet& set, const std::vector<std::int64_t>& rows, data::Grid grid,
                 std::int64_t batch_size, PredictionTable& table, const BatchSink& sink);

/// Reads every spectrum of FITS files (folders are searched). `table.rows` gets a row for each
/// spectrum, and one with status and reason for each file or spectrum that cannot be used.
void read_files(const std::vector<std::string>& paths, data::Grid grid, std::int64_t batch_size,
                PredictionTable& table, const BatchSink& sink);

}  // namespace balmer::train
