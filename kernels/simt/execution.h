#pragma once
// One launch on the simt device: its fibres, their order, and what they wait for.

#include <exception>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/simt/copy_queue.h"
#include "kernels/simt/executor.h"
#include "kernels/simt/race_check.h"
#include "kernels/simt/shared_arena.h"
#include "kernels/simt/stack_pool.h"

namespace balmer::simt {

class Execution {
  public:
    /// DeviceError if a GPU could not launch this.
    Execution(const char* kernel, const LaunchShape& shape, const Schedule& schedule,
              const std::function<void()>& thread);
    ~Execution();
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    void run();

    /// The launch that runs on this thread of the host; DeviceError if there is none.
    static Execution& current();
    /// Or null.
    static Execution* current_or_none();

    // The state of the fibre that runs.
    int thread() const { return thread_; }
    Index block() const { return block_; }
    const LaunchShape& shape() const { return shape_; }
    SharedArena& arena() { return arena_; }
    /// "simt: kernel K, block (0, 0, 0), thread 5: ".
    std::string place() const;

    /// The whole life of a fibre, from a jump of the scheduler, which goes on at `scheduler`.
    void live(void* scheduler);

    // What it asks for: see executor.h.
    int barrier(bool predicate, const Site& site);
    void collective(const char* operation, const Site& site, void* argument, WarpOperation run);
    void synchronise_warp() { ++warp_epochs_[warp_of(thread_)]; }
    void access(const void* address, std::size_t bytes, AccessKind kind);
    void start_copy(void* destination, const void* source, std::size_t bytes);
    void commit_copies() { lanes_[thread_].copies.commit(); }
    void wait_for_copies(int pending);

  private:
    enum class State : std::uint8_t { ready, at_barrier, in_warp, done };

    struct Lane {
        void* fibre = nullptr;       // where it goes on
        void* fake_stack = nullptr;  // the address sanitizer's
        State state = State::done;
        const char* operation = "";
        Site site;
        void* argument = nullptr;
        bool predicate = false;
        CopyQueue copies;
    };

    static std::size_t warp_of(int thread) { return static_cast<std::size_t>(thread) / warp_size; }

    void start_block(unsigned number);
    void run_block();
    void finish_block();
    bool run_warp(int warp);
    void resume(int thread);
    void leave(State state);
    void release_barrier();
    int count_of(State state) const;
    [[noreturn]] void report_stuck() const;
    Accessor accessor() const { return {thread_, block_epoch_, warp_epochs_[warp_of(thread_)]}; }

    const char* kernel_;
    const LaunchShape& shape_;
    const Schedule& schedule_;
    const std::function<void()>& body_;
    std::mt19937_64 random_;

    Index block_;
    int thread_ = -1;  // that runs, -1 in the scheduler
    std::vector<Lane> lanes_;
    std::vector<int> warp_order_;
    std::vector<int> arrived_;  // lanes of each warp in an operation of the warp
    int votes_ = 0;             // at the last block barrier
    std::exception_ptr error_;

    void* scheduler_ = nullptr;  // where it goes on
    const void* scheduler_stack_ = nullptr;
    std::size_t scheduler_stack_bytes_ = 0;

    SharedArena arena_;
    RaceCheck races_;
    std::uint32_t block_epoch_ = 0;
    std::vector<std::uint32_t> warp_epochs_;
};

}  // namespace balmer::simt
