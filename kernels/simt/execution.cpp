#include "kernels/simt/execution.h"

#include <algorithm>
#include <boost/context/detail/fcontext.hpp>
#include <cstring>
#include <numeric>

#include "kernels/core/error.h"

namespace balmer::simt {
namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

thread_local Execution* running = nullptr;
thread_local StackPool stacks;

constexpr std::uint64_t most_blocks = std::uint64_t{1} << 31;

std::string describe(const Site& site) {
    const std::string file = site.file_name();
    return file.substr(file.find_last_of('/') + 1) + ":" + std::to_string(site.line());
}

bool is_same(const Site& a, const Site& b) {
    return a.line() == b.line() && a.column() == b.column() &&
           std::strcmp(a.file_name(), b.file_name()) == 0;
}

void enter_fibre(transfer_t transfer) {
    static_cast<Execution*>(transfer.data)->live(transfer.fctx);
}

/// Why a GPU would refuse the launch, "" if it would not.
std::string refusal(const LaunchShape& shape) {
    if (shape.threads == 0 || shape.threads > most_threads || shape.threads % warp_size != 0) {
        return "a block must have 32, 64, ... 1024 threads, got " + std::to_string(shape.threads);
    }
    if (shape.shared_bytes > most_shared_bytes) {
        return "asks for " + std::to_string(shape.shared_bytes) + " bytes of shared memory of " +
               std::to_string(most_shared_bytes);
    }
    const Extent& grid = shape.grid;
    const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
    if (grid.y > 65535 || grid.z > 65535 || blocks == 0 || blocks >= most_blocks) {
        return "a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
               std::to_string(grid.z) + " blocks cannot be launched";
    }
    return "";
}

}  // namespace

Execution::Execution(const char* kernel, const LaunchShape& shape, const Schedule& schedule,
                     const std::function<void()>& thread)
    : kernel_(kernel),
      shape_(shape),
      schedule_(schedule),
      body_(thread),
      random_(schedule.seed),
      arena_(std::min(shape.shared_bytes, most_shared_bytes)) {
    const std::string subject = std::string("simt: kernel ") + kernel + ": ";
    if (running != nullptr) throw DeviceError(subject + "launched from within a kernel");
    const std::string reason = refusal(shape);
    if (!reason.empty()) throw DeviceError(subject + reason);
    const std::size_t warps = shape.threads / warp_size;
    lanes_.resize(shape.threads);
    arrived_.assign(warps, 0);
    warp_epochs_.assign(warps, 0);
    warp_order_.resize(warps);
    std::iota(warp_order_.begin(), warp_order_.end(), 0);
    stacks.reserve(shape.threads);
    running = this;
}

Execution::~Execution() {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (lanes_[i].state != State::done) stacks.clean(i);
    }
    if (running == this) running = nullptr;
}

Execution& Execution::current() {
    if (running == nullptr) throw DeviceError("simt: a device function was called on the host");
    return *running;
}

Execution* Execution::current_or_none() {
    return running;
}

std::string Execution::place() const {
    std::string text = std::string("simt: kernel ") + kernel_ + ", block (" +
                       std::to_string(block_.x) + ", " + std::to_string(block_.y) + ", " +
                       std::to_string(block_.z) + ")";
    if (thread_ >= 0) text += ", thread " + std::to_string(thread_);
    return text + ": ";
}

void Execution::run() {
    std::vector<unsigned> order(std::size_t{shape_.grid.x} * shape_.grid.y * shape_.grid.z);
    std::iota(order.begin(), order.end(), 0U);
    if (schedule_.is_shuffled) std::shuffle(order.begin(), order.end(), random_);
    for (const unsigned number : order) {
        start_block(number);
        run_block();
        finish_block();
    }
}

void Execution::start_block(unsigned number) {
    const Extent& grid = shape_.grid;
    block_ = {number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        Lane& lane = lanes_[i];
        stacks.clean_top(i);
        lane.state = State::ready;
        lane.fake_stack = nullptr;
        lane.fibre = make_fcontext(stacks.top(i), StackPool::stack_bytes, enter_fibre);
    }
    arena_.start_block();
    if (schedule_.checks_races) races_.start_block(arena_.bytes());
}

int Execution::count_of(State state) const {
    return static_cast<int>(std::count_if(lanes_.begin(), lanes_.end(),
                                          [=](const Lane& lane) { return lane.state == state; }));
}

void Execution::run_block() {
    const int count = static_cast<int>(lanes_.size());
    while (true) {
        if (schedule_.is_shuffled) std::shuffle(warp_order_.begin(), warp_order_.end(), random_);
        bool any_ran = false;
        for (const int warp : warp_order_) {
            while (run_warp(warp)) {
                any_ran = true;
                if (schedule_.order == Schedule::Order::threads) break;
            }
        }
        if (count_of(State::done) == count) return;
        if (count_of(State::at_barrier) == count) {
            release_barrier();
        } else if (!any_ran) {
            report_stuck();
        }
    }
}

/// Runs every ready lane of the warp once; false if there was none.
bool Execution::run_warp(int warp) {
    int order[warp_size];
    std::iota(order, order + warp_size, warp * warp_size);
    if (schedule_.is_shuffled) std::shuffle(order, order + warp_size, random_);
    bool any_ran = false;
    for (const int thread : order) {
        if (lanes_[thread].state != State::ready) continue;
        resume(thread);
        any_ran = true;
    }
    return any_ran;
}

void Execution::resume(int thread) {
    thread_ = thread;
    void* own_stack = nullptr;
    sanitizer::start_switch(&own_stack, stacks.bottom(thread), StackPool::stack_bytes);
    const transfer_t transfer = jump_fcontext(lanes_[thread].fibre, this);
    sanitizer::finish_switch(own_stack, nullptr, nullptr);
    lanes_[thread].fibre = transfer.fctx;
    if (error_) std::rethrow_exception(error_);
    if (schedule_.checks_races && races_.first_race()) {
        const Race& race = *races_.first_race();
        std::string text = place() + "race: " + race.what + ", " + arena_.describe(race.offset);
        if (race.other >= 0) text += ", with thread " + std::to_string(race.other);
        throw DeviceError(text);
    }
    thread_ = -1;
}

void Execution::live(void* scheduler) {
    scheduler_ = scheduler;
    sanitizer::finish_switch(nullptr, &scheduler_stack_, &scheduler_stack_bytes_);
    try {
        body_();
    } catch (...) {
        error_ = std::current_exception();
    }
    leave(State::done);
}

/// Back to the scheduler; returns when it resumes this fibre.
void Execution::leave(State state) {
    Lane& own = lanes_[thread_];
    own.state = state;
    void** kept = state == State::done ? nullptr : &own.fake_stack;
    sanitizer::start_switch(kept, scheduler_stack_, scheduler_stack_bytes_);
    const transfer_t transfer = jump_fcontext(scheduler_, nullptr);
    scheduler_ = transfer.fctx;
    sanitizer::finish_switch(own.fake_stack, &scheduler_stack_, &scheduler_stack_bytes_);
}

int Execution::barrier(bool predicate, const Site& site) {
    Lane& own = lanes_[thread_];
    own.operation = "__syncthreads";
    own.site = site;
    own.predicate = predicate;
    leave(State::at_barrier);
    return votes_;
}

void Execution::release_barrier() {
    votes_ = 0;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (!is_same(lanes_[i].site, lanes_[0].site)) {
            throw DeviceError(place() + "barrier divergence: thread 0 waits at " +
                              describe(lanes_[0].site) + ", thread " + std::to_string(i) + " at " +
                              describe(lanes_[i].site));
        }
        votes_ += lanes_[i].predicate ? 1 : 0;
        lanes_[i].state = State::ready;
    }
    ++block_epoch_;
}

void Execution::collective(const char* operation, const Site& site, void* argument,
                           WarpOperation run) {
    const std::size_t warp = warp_of(thread_);
    Lane& own = lanes_[thread_];
    own.operation = operation;
    own.site = site;
    own.argument = argument;
    if (++arrived_[warp] < warp_size) return leave(State::in_warp);
    arrived_[warp] = 0;
    void* arguments[warp_size];
    for (std::size_t i = 0; i < warp_size; ++i) {
        Lane& other = lanes_[warp * warp_size + i];
        if (std::strcmp(other.operation, operation) != 0 || !is_same(other.site, site)) {
            fail(std::string("unmatched warp operations: ") + operation + " at " + describe(site) +
                 ", but thread " + std::to_string(warp * warp_size + i) + " is in " +
                 other.operation + " at " + describe(other.site));
        }
        arguments[i] = other.argument;
    }
    run(arguments);
    for (std::size_t i = 0; i < warp_size; ++i) {
        lanes_[warp * warp_size + i].state = State::ready;
    }
}

void Execution::report_stuck() const {
    std::string text = place() + "barrier divergence or unmatched warp operations:";
    const char* separator = " ";
    for (const State state : {State::at_barrier, State::in_warp, State::done}) {
        const int count = count_of(state);
        if (count == 0) continue;
        const auto first = std::find_if(lanes_.begin(), lanes_.end(),
                                        [=](const Lane& lane) { return lane.state == state; });
        text += separator + std::to_string(count) +
                (state == State::done ? " threads have ended" : " threads wait") + " (thread " +
                std::to_string(first - lanes_.begin());
        if (state != State::done) {
            text += std::string(" in ") + first->operation + " at " + describe(first->site);
        }
        text += ")";
        separator = ", ";
    }
    throw DeviceError(text);
}

void Execution::finish_block() {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (!lanes_[i].copies.is_empty()) {
            throw DeviceError(place() + "thread " + std::to_string(i) +
                              " ended with unfinished asynchronous copies");
        }
        lanes_[i].copies.clear();
    }
    if (const auto offset = arena_.first_overrun()) {
        throw DeviceError(place() + "a write out of bounds of shared memory, " +
                          arena_.describe(*offset));
    }
}

void Execution::access(const void* address, std::size_t bytes, AccessKind kind) {
    if (!schedule_.checks_races || thread_ < 0) return;
    if (const auto offset = arena_.offset_of(address)) {
        races_.access(accessor(), *offset, bytes, kind);
    }
}

void Execution::start_copy(void* destination, const void* source, std::size_t bytes) {
    const auto is_misaligned = [=](const void* address) {
        return reinterpret_cast<std::uintptr_t>(address) % bytes != 0;
    };
    if (is_misaligned(destination) || is_misaligned(source)) {
        fail("an asynchronous copy of " + std::to_string(bytes) + " bytes is misaligned");
    }
    const auto offset = arena_.offset_of(destination);
    if (!offset) fail("an asynchronous copy goes outside shared memory");
    if (schedule_.checks_races) races_.copy_begins(accessor(), *offset, bytes);
    CopyQueue::Copy copy{static_cast<char*>(destination), bytes, {}, false};
    if (source != nullptr) std::memcpy(copy.data, source, bytes);
    copy.is_written = schedule_.is_shuffled && random_() % 2 == 0;
    if (copy.is_written) std::memcpy(copy.destination, copy.data, bytes);
    lanes_[thread_].copies.start(copy);
}

void Execution::wait_for_copies(int pending) {
    for (const auto& copy : lanes_[thread_].copies.wait(static_cast<std::size_t>(pending))) {
        if (!copy.is_written) std::memcpy(copy.destination, copy.data, copy.bytes);
        const auto offset = arena_.offset_of(copy.destination);
        if (schedule_.checks_races && offset) races_.copy_ends(accessor(), *offset, copy.bytes);
    }
}

}  // namespace balmer::simt
