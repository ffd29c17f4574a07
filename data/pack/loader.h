#pragma once
// Batches of spectra from a packed set: seeded order, restorable position, read ahead of time.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/pack/batch.h"
#include "data/pack/packed_set.h"
#include "data/pack/sampling.h"

namespace balmer::data {

struct LoaderOptions {
    std::vector<Split> splits = {Split::train};
    std::int64_t batch_size = 64;  ///< of this rank
    bool shuffle = false;
    std::uint64_t seed = 42;
    Grid grid = Grid::common;
    /// Rows to use, of those in `splits` that `sampling` leaves; empty means all of them.
    std::function<bool(const PackedSet& set, std::int64_t row)> keep = {};
    /// Called for every batch on a thread that reads ahead, on several at once where there are
    /// several: augmentation, rendering.
    std::function<void(Batch& batch)> prepare = {};
    /// How many batches are there or in the making at most, beside the one the consumer has.
    std::int64_t batches_ahead = 4;
    Sampling sampling = {};
    std::int64_t rank = 0;        ///< which part of every batch this loader gives (see Sampler)
    std::int64_t world_size = 1;  ///< number of such parts
    std::int64_t reader_threads = 1;
    /// Called by next() when it has waited this long, and again after as long (FAULTS 64).
    double stall_seconds = 30.0;
    std::function<void(double seconds_waited)> on_stall = {};
    double stall_timeout = 0.0;  ///< seconds after which next() gives up; 0: never
};

/// Fills `batch` with the given rows.
void fill_batch(const PackedSet& set, std::span<const std::int64_t> rows, Grid grid, Batch& batch);

/// Gives epoch after epoch, in the order of `Sampler`. Threads of its own read ahead from
/// construction to destruction; whatever their number, batches come in order. The memory is that of
/// `batches_ahead` batches and the sampler's 8 or 16 bytes a row, and none is taken once each of
/// those batches was full.
class Loader {
  public:
    /// UsageError for options without sense (see Sampler); Error if no row is left to load.
    Loader(std::shared_ptr<const PackedSet> set, LoaderOptions options);
    ~Loader();
    Loader(const Loader&) = delete;
    Loader& operator=(const Loader&) = delete;

    /// Rows of the set that are used, in the order of the set.
    const std::vector<std::int64_t>& rows() const;
    std::int64_t batches_per_epoch() const;

    /// The next batch, waiting for it if need be. `batch`'s memory is used again. Rethrows what
    /// went wrong while it was read; the loader then stands before that batch. Error after
    /// `stall_timeout`; the batch is still waited for in a later call.
    void next(Batch& batch);
    Batch next();

    /// Where the next batch comes from.
    std::int64_t epoch() const;
    std::int64_t batch() const;
    /// Goes there. UsageError if there is no such batch.
    void seek(std::int64_t epoch, std::int64_t batch);

  private:
    class Readers;
    std::unique_ptr<Readers> readers_;
};

}  // namespace balmer::data
