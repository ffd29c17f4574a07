#include "data/pack/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "data/pack/sampler.h"
#include "kernels/core/error.h"

namespace balmer::data {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Position {
    std::int64_t epoch = 0;
    std::int64_t batch = 0;
    bool operator==(const Position&) const = default;
};

/// Memory to work in.
struct FillMemory {
    std::vector<BatchItem> items;
    std::vector<PixelScratch> scratch;  ///< stays empty where pixels are mapped
};

void fill_batch(const PackedSet& set, std::span<const std::int64_t> rows, Grid grid,
                FillMemory& memory, Batch& batch) {
    memory.items.clear();
    if (memory.scratch.size() < rows.size()) memory.scratch.resize(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        memory.items.push_back(
            {set.pixels(rows[i], memory.scratch[i]), set.inverse_variance_known(rows[i])});
    }
    assemble(memory.items, grid, batch);
    batch.rows.assign(rows.begin(), rows.end());
}

}  // namespace

void fill_batch(const PackedSet& set, std::span<const std::int64_t> rows, Grid grid, Batch& batch) {
    FillMemory memory;
    fill_batch(set, rows, grid, memory, batch);
}

/// The threads that read ahead, and the ring of slots between them and the consumer: batch n after
/// the start goes through slot n modulo their number, and takes the place of the batch that the
/// consumer gave back there.
class Loader::Readers {
  public:
    Readers(std::shared_ptr<const PackedSet> set, LoaderOptions options)
        : set_(std::move(set)), options_(std::move(options)), sampler_(*set_, options_) {
        if (options_.batches_ahead < 1 || options_.reader_threads < 1) {
            throw UsageError(fmt::format("loader: {} batches ahead, {} threads",
                                         options_.batches_ahead, options_.reader_threads));
        }
        slots_.resize(static_cast<std::size_t>(options_.batches_ahead));
        start({});
    }
    ~Readers() { stop(); }
    Readers(const Readers&) = delete;
    Readers& operator=(const Readers&) = delete;

    const Sampler& sampler() const { return sampler_; }
    const Position& position() const { return position_; }

    void seek(const Position& position) {
        const std::int64_t batches = sampler_.batches_per_epoch();
        if (position.epoch < 0 || position.batch < 0 || position.batch >= batches) {
            throw UsageError(fmt::format("loader: no batch {} of epoch {}, an epoch has {}",
                                         position.batch, position.epoch, batches));
        }
        if (position == position_) return;
        stop();
        start(position);
    }

    void next(Batch& batch) {
        std::exception_ptr failure;
        {
            std::unique_lock lock(mutex_);
            Slot& slot = slot_of(taken_);
            wait_for(slot, lock);
            failure = slot.failure;
            if (failure == nullptr) {
                std::swap(batch, slot.batch);
                slot.is_ready = false;
                ++taken_;
            }
        }
        if (failure != nullptr) {
            const Position here = position_;
            stop();
            start(here);
            std::rethrow_exception(failure);
        }
        changed_.notify_all();
        position_ = after(position_);
    }

  private:
    struct Slot {
        Batch batch;
        std::exception_ptr failure;
        bool is_ready = false;
    };

    Slot& slot_of(std::int64_t number) {
        return slots_[static_cast<std::size_t>(number) % slots_.size()];
    }

    Position after(const Position& position) const {
        if (position.batch + 1 < sampler_.batches_per_epoch()) {
            return {position.epoch, position.batch + 1};
        }
        return {position.epoch + 1, 0};
    }

    void start(const Position& position) {
        position_ = position;
        unread_ = position;
        claimed_ = 0;
        taken_ = 0;
        is_stopping_ = false;
        for (std::int64_t i = 0; i < options_.reader_threads; ++i) {
            threads_.emplace_back([this] { read_ahead(); });
        }
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            is_stopping_ = true;
        }
        changed_.notify_all();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
        for (Slot& slot : slots_) {
            slot.failure = nullptr;
            slot.is_ready = false;
        }
    }

    void wait_for(const Slot& slot, std::unique_lock<std::mutex>& lock) {
        const auto begin = SteadyClock::now();
        const auto seconds = [](double count) {
            return std::chrono::duration_cast<SteadyClock::duration>(
                std::chrono::duration<double>(count));
        };
        double warns_at = options_.stall_seconds;
        const double ends_at = options_.stall_timeout;
        while (!slot.is_ready) {
            const bool may_warn = options_.on_stall && options_.stall_seconds > 0.0;
            if (!may_warn && ends_at <= 0.0) {
                changed_.wait(lock, [&] { return slot.is_ready; });
                return;
            }
            const double until = !may_warn        ? ends_at
                                 : ends_at <= 0.0 ? warns_at
                                                  : std::min(warns_at, ends_at);
            changed_.wait_until(lock, begin + seconds(until), [&] { return slot.is_ready; });
            if (slot.is_ready) return;
            const double waited = std::chrono::duration<double>(SteadyClock::now() - begin).count();
            if (may_warn && waited >= warns_at) {
                warns_at += options_.stall_seconds;
                lock.unlock();
                options_.on_stall(waited);
                lock.lock();
            }
            if (ends_at > 0.0 && waited >= ends_at && !slot.is_ready) {
                throw Error(fmt::format("{}: batch {} of epoch {} is not there after {:.1f} s",
                                        set_->folder(), position_.batch, position_.epoch, waited));
            }
        }
    }

    void read_ahead() {
        std::vector<std::int64_t> rows;
        FillMemory memory;
        for (;;) {
            Slot* slot = nullptr;
            Position position;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [this] {
                    return is_stopping_ || claimed_ < taken_ + options_.batches_ahead;
                });
                if (is_stopping_) return;
                slot = &slot_of(claimed_++);
                position = unread_;
                unread_ = after(position);
            }
            try {
                sampler_.rows_of_batch(position.epoch, position.batch, rows);
                fill_batch(*set_, rows, options_.grid, memory, slot->batch);
                slot->batch.epoch = position.epoch;
                slot->batch.index = position.batch;
                if (options_.prepare) options_.prepare(slot->batch);
            } catch (...) {
                slot->failure = std::current_exception();
            }
            {
                const std::lock_guard lock(mutex_);
                slot->is_ready = true;
            }
            changed_.notify_all();
        }
    }

    std::shared_ptr<const PackedSet> set_;
    LoaderOptions options_;
    Sampler sampler_;
    Position position_;  ///< of the consumer

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Slot> slots_;
    Position unread_;           ///< the next one to read
    std::int64_t claimed_ = 0;  ///< batches that threads began to read since the start
    std::int64_t taken_ = 0;    ///< of these, those the consumer has taken
    bool is_stopping_ = false;
    std::vector<std::thread> threads_;
};

Loader::Loader(std::shared_ptr<const PackedSet> set, LoaderOptions options)
    : readers_(std::make_unique<Readers>(std::move(set), std::move(options))) {}

Loader::~Loader() = default;

const std::vector<std::int64_t>& Loader::rows() const {
    return readers_->sampler().rows();
}

std::int64_t Loader::batches_per_epoch() const {
    return readers_->sampler().batches_per_epoch();
}

void Loader::next(Batch& batch) {
    readers_->next(batch);
}

Batch Loader::next() {
    Batch batch;
    readers_->next(batch);
    return batch;
}

std::int64_t Loader::epoch() const {
    return readers_->position().epoch;
}

std::int64_t Loader::batch() const {
    return readers_->position().batch;
}

void Loader::seek(std::int64_t epoch, std::int64_t batch) {
    readers_->seek({epoch, batch});
}

}  // namespace balmer::data
