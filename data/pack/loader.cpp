#include "data/pack/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "kernels/core/error.h"
#include "kernels/core/random.h"

namespace balmer::data {
namespace {

struct Position {
    std::int64_t epoch = 0;
    std::int64_t batch = 0;
    bool operator==(const Position&) const = default;
};

std::vector<std::int64_t> rows_to_use(const PackedSet& set, const LoaderOptions& options) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        const bool is_wanted = std::find(options.splits.begin(), options.splits.end(),
                                         set.split(row)) != options.splits.end();
        if (is_wanted && (!options.keep || options.keep(set, row))) rows.push_back(row);
    }
    return rows;
}

}  // namespace

std::vector<std::int64_t> shuffled(std::vector<std::int64_t> rows, std::uint64_t seed,
                                   std::int64_t epoch) {
    Random random(seed, static_cast<std::uint64_t>(epoch));
    for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.below(i)]);
    return rows;
}

void fill_batch(const PackedSet& set, std::span<const std::int64_t> rows, Grid grid, Batch& batch) {
    std::vector<BatchItem> items;
    std::vector<PixelScratch> scratch(rows.size());  // stays empty where pixels are mapped
    for (std::size_t i = 0; i < rows.size(); ++i) {
        items.push_back({set.pixels(rows[i], scratch[i]), set.inverse_variance_known(rows[i])});
    }
    assemble(items, grid, batch);
    batch.rows.assign(rows.begin(), rows.end());
}

/// The thread that reads ahead and the queue between it and the consumer.
class Loader::Prefetcher {
  public:
    Prefetcher(std::shared_ptr<const PackedSet> set, LoaderOptions options)
        : set_(std::move(set)), options_(std::move(options)) {
        if (options_.batch_size < 1 || options_.batches_ahead < 1) {
            throw UsageError(fmt::format("loader: batches of {}, {} ahead", options_.batch_size,
                                         options_.batches_ahead));
        }
        rows_ = rows_to_use(*set_, options_);
        if (rows_.empty()) throw Error(set_->folder() + ": no spectrum to load");
        start({});
    }
    ~Prefetcher() { stop(); }
    Prefetcher(const Prefetcher&) = delete;
    Prefetcher& operator=(const Prefetcher&) = delete;

    const std::vector<std::int64_t>& rows() const { return rows_; }
    const Position& position() const { return position_; }
    std::int64_t batches_per_epoch() const {
        const auto count = static_cast<std::int64_t>(rows_.size());
        return (count + options_.batch_size - 1) / options_.batch_size;
    }

    void seek(const Position& position) {
        if (position.epoch < 0 || position.batch < 0 || position.batch >= batches_per_epoch()) {
            throw UsageError(fmt::format("loader: no batch {} of epoch {}, an epoch has {}",
                                         position.batch, position.epoch, batches_per_epoch()));
        }
        if (position == position_) return;
        stop();
        start(position);
    }

    void next(Batch& batch) {
        std::exception_ptr failure;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return !ready_.empty() || failure_ != nullptr; });
            if (ready_.empty()) {
                failure = failure_;
            } else {
                std::swap(batch, ready_.front());
                spare_.push_back(std::move(ready_.front()));
                ready_.pop_front();
            }
        }
        if (failure != nullptr) {
            const Position here = position_;
            stop();
            start(here);
            std::rethrow_exception(failure);
        }
        changed_.notify_all();
        position_ = after({batch.epoch, batch.index});
    }

  private:
    Position after(const Position& position) const {
        if (position.batch + 1 < batches_per_epoch()) return {position.epoch, position.batch + 1};
        return {position.epoch + 1, 0};
    }

    void start(const Position& position) {
        position_ = position;
        is_stopping_ = false;
        failure_ = nullptr;
        thread_ = std::thread([this, position] { run(position); });
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            is_stopping_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
        ready_.clear();
    }

    void run(Position position) {
        try {
            std::int64_t epoch = -1;
            std::vector<std::int64_t> order;
            for (;; position = after(position)) {
                if (position.epoch != epoch) {
                    epoch = position.epoch;
                    order = options_.shuffle ? shuffled(rows_, options_.seed, epoch) : rows_;
                }
                Batch batch = spare_batch();
                const std::size_t begin = static_cast<std::size_t>(position.batch) *
                                          static_cast<std::size_t>(options_.batch_size);
                const std::size_t count =
                    std::min(static_cast<std::size_t>(options_.batch_size), order.size() - begin);
                fill_batch(*set_, std::span(order).subspan(begin, count), options_.grid, batch);
                batch.epoch = position.epoch;
                batch.index = position.batch;
                if (options_.prepare) options_.prepare(batch);
                if (!hand_over(std::move(batch))) return;
            }
        } catch (...) {
            const std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
            changed_.notify_all();
        }
    }

    /// A batch whose memory is there already, where there is one.
    Batch spare_batch() {
        const std::lock_guard lock(mutex_);
        if (spare_.empty()) return {};
        Batch batch = std::move(spare_.back());
        spare_.pop_back();
        return batch;
    }

    /// Waits for room in the queue. False if the thread is to stop.
    bool hand_over(Batch batch) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] {
            return is_stopping_ ||
                   static_cast<std::int64_t>(ready_.size()) < options_.batches_ahead;
        });
        if (is_stopping_) return false;
        ready_.push_back(std::move(batch));
        changed_.notify_all();
        return true;
    }

    std::shared_ptr<const PackedSet> set_;
    LoaderOptions options_;
    std::vector<std::int64_t> rows_;
    Position position_;  ///< of the consumer

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Batch> ready_;
    std::vector<Batch> spare_;
    std::exception_ptr failure_;
    bool is_stopping_ = false;
    std::thread thread_;
};

Loader::Loader(std::shared_ptr<const PackedSet> set, LoaderOptions options)
    : prefetcher_(std::make_unique<Prefetcher>(std::move(set), std::move(options))) {}

Loader::~Loader() = default;

const std::vector<std::int64_t>& Loader::rows() const {
    return prefetcher_->rows();
}

std::int64_t Loader::batches_per_epoch() const {
    return prefetcher_->batches_per_epoch();
}

void Loader::next(Batch& batch) {
    prefetcher_->next(batch);
}

Batch Loader::next() {
    Batch batch;
    prefetcher_->next(batch);
    return batch;
}

std::int64_t Loader::epoch() const {
    return prefetcher_->position().epoch;
}

std::int64_t Loader::batch() const {
    return prefetcher_->position().batch;
}

void Loader::seek(std::int64_t epoch, std::int64_t batch) {
    prefetcher_->seek({epoch, batch});
}

}  // namespace balmer::data
