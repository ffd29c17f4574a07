#include "data/pack/sampler.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/pack/loader.h"
#include "data/pack/permutation.h"
#include "kernels/core/error.h"
#include "kernels/core/random.h"

namespace balmer::data {
namespace {

// Streams of random numbers; the epoch is added.
constexpr std::uint64_t order_stream = 0x6f72646572000000;  // "order"
constexpr std::uint64_t draw_stream = 0x6472617700000000;   // "draw"

}  // namespace

Sampler::Sampler(const PackedSet& set, const LoaderOptions& options)
    : rank_(options.rank),
      world_size_(options.world_size),
      stride_(options.batch_size * options.world_size),
      is_shuffled_(options.shuffle),
      seed_(options.seed) {
    if (options.batch_size < 1) {
        throw UsageError(fmt::format("loader: batches of {}", options.batch_size));
    }
    if (world_size_ < 1 || rank_ < 0 || rank_ >= world_size_) {
        throw UsageError(fmt::format("loader: rank {} of {}", rank_, world_size_));
    }
    rows_ = rows_of(set, options.splits, options.sampling, options.seed);
    if (options.keep) {
        std::erase_if(rows_, [&](std::int64_t row) { return !options.keep(set, row); });
    }
    rows_.shrink_to_fit();
    const auto count = static_cast<std::int64_t>(rows_.size());
    if (count == 0) throw Error(set.folder() + ": no spectrum to load");
    if (count < world_size_) {
        throw UsageError(fmt::format("loader: {} spectra for {} ranks", count, world_size_));
    }
    batches_ = std::min((count + stride_ - 1) / stride_, count / world_size_);
    cumulative_ = cumulative_weights(set, rows_, options.sampling);
}

std::int64_t Sampler::first_position(std::int64_t batch) const {
    const auto count = static_cast<std::int64_t>(rows_.size());
    if (batch == batches_) return count;
    // The last batch has a row for every rank.
    return std::min(batch * stride_, count - world_size_);
}

std::int64_t Sampler::row_at(std::int64_t epoch, std::int64_t place) const {
    if (cumulative_.empty()) return rows_[static_cast<std::size_t>(place)];
    // One draw from each of N equal parts of the sum of the weights.
    const auto words = philox(seed_, draw_stream + static_cast<std::uint64_t>(epoch),
                              static_cast<std::uint64_t>(place));
    const double within = 0x1.0p-32 * static_cast<double>(words[0]);
    const double sum = (static_cast<double>(place) + within) * cumulative_.back() /
                       static_cast<double>(rows_.size());
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), sum);
    // Rounding may reach the end: the first row that has the whole sum.
    const auto drawn =
        found != cumulative_.end()
            ? found
            : std::lower_bound(cumulative_.begin(), cumulative_.end(), cumulative_.back());
    return rows_[static_cast<std::size_t>(drawn - cumulative_.begin())];
}

void Sampler::rows_of_batch(std::int64_t epoch, std::int64_t batch,
                            std::vector<std::int64_t>& rows) const {
    const std::int64_t first = first_position(batch);
    const std::int64_t size = first_position(batch + 1) - first;
    const std::int64_t begin = first + size * rank_ / world_size_;
    const std::int64_t end = first + size * (rank_ + 1) / world_size_;
    const Permutation order(static_cast<std::int64_t>(rows_.size()), seed_,
                            order_stream + static_cast<std::uint64_t>(epoch));
    rows.clear();
    for (std::int64_t position = begin; position < end; ++position) {
        rows.push_back(row_at(epoch, is_shuffled_ ? order(position) : position));
    }
}

}  // namespace balmer::data
