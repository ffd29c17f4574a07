#pragma once
// Batches of spectra from a packed set: seeded order, restorable position, read ahead of time.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "data/pack/batch.h"
#include "data/pack/packed_set.h"

namespace balmer::data {

struct LoaderOptions {
    std::vector<Split> splits = {Split::train};
    std::int64_t batch_size = 64;
    bool shuffle = false;
    std::uint64_t seed = 42;
    Grid grid = Grid::common;
    /// Rows to use, of those in `splits`; empty means all of them.
    std::function<bool(const PackedSet& set, std::int64_t row)> keep = {};
    /// Called for every batch on the thread that reads ahead: augmentation, rendering.
    std::function<void(Batch& batch)> prepare = {};
    std::int64_t batches_ahead = 4;  ///< how many batches wait at most
};

/// The rows in the order in which epoch `epoch` visits them: a permutation of `rows` that depends
/// on (rows, seed, epoch) alone.
std::vector<std::int64_t> shuffled(std::vector<std::int64_t> rows, std::uint64_t seed,
                                   std::int64_t epoch);

/// Fills `batch` with the given rows.
void fill_batch(const PackedSet& set, std::span<const std::int64_t> rows, Grid grid, Batch& batch);

/// Gives epoch after epoch; each visits every row once, the last batch of an epoch being smaller
/// where the rows do not divide. A thread of its own reads ahead from construction to destruction.
class Loader {
  public:
    /// UsageError for a batch size below 1; Error if no row is left to load.
    Loader(std::shared_ptr<const PackedSet> set, LoaderOptions options);
    ~Loader();
    Loader(const Loader&) = delete;
    Loader& operator=(const Loader&) = delete;

    /// Rows of the set that are used, in the order of the set.
    const std::vector<std::int64_t>& rows() const;
    std::int64_t batches_per_epoch() const;

    /// The next batch, waiting for it if need be. `batch`'s memory is used again. Rethrows what
    /// went wrong while it was read; the loader then stands before that batch.
    void next(Batch& batch);
    Batch next();

    /// Where the next batch comes from.
    std::int64_t epoch() const;
    std::int64_t batch() const;
    /// Goes there. UsageError if there is no such batch.
    void seek(std::int64_t epoch, std::int64_t batch);

  private:
    class Prefetcher;
    std::unique_ptr<Prefetcher> prefetcher_;
};

}  // namespace balmer::data
