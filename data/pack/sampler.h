#pragma once
// Which rows every batch of every epoch has: a function of options, epoch and batch alone, so that
// a position is found without going through those before it.

#include <cstdint>
#include <vector>

#include "data/pack/packed_set.h"

namespace balmer::data {

struct LoaderOptions;

/// Memory: 8 bytes a row that is used, 8 more where rows are weighted; none an epoch.
///
/// The order of an epoch is divided into batches of batch_size * world_size rows, and each of them
/// among the ranks. So the ranks' rows are disjoint, together they are the order of one rank with
/// such batches, and every rank has as many batches. The remainder is in the last batch, whose
/// parts differ by one row at most. No part is empty: where fewer rows than ranks remain, those
/// that lack come from the end of the batch before, or, with a batch size of 1, the remainder joins
/// it.
class Sampler {
  public:
    /// UsageError for a batch size below 1, a rank outside the world, fewer rows than ranks, or
    /// weights that cannot be drawn from; Error if no row is left.
    Sampler(const PackedSet& set, const LoaderOptions& options);

    /// Rows of the set that are used, by all ranks, in the order of the set.
    const std::vector<std::int64_t>& rows() const { return rows_; }
    std::int64_t batches_per_epoch() const { return batches_; }

    /// Puts this rank's rows of batch `batch`, 0..batches_per_epoch()-1, into `rows`.
    void rows_of_batch(std::int64_t epoch, std::int64_t batch,
                       std::vector<std::int64_t>& rows) const;

  private:
    std::int64_t first_position(std::int64_t batch) const;
    std::int64_t row_at(std::int64_t epoch, std::int64_t place) const;

    std::vector<std::int64_t> rows_;
    std::vector<double> cumulative_;  ///< weights; empty: every row once
    std::int64_t rank_;
    std::int64_t world_size_;
    std::int64_t stride_;  ///< rows of a batch of all ranks
    std::int64_t batches_ = 0;
    bool is_shuffled_;
    std::uint64_t seed_;
};

}  // namespace balmer::data
