#include "kernels/simt/executor.h"

#include <sys/mman.h>

#include <algorithm>
#include <boost/context/detail/fcontext.hpp>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/simt/race_check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace balmer::simt {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t stack_bytes = std::size_t{256} << 10;
#else
constexpr std::size_t stack_bytes = std::size_t{64} << 10;
#endif
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t gap_bytes = 128;  ///< before, between and after shared arrays
constexpr int most_arrays = 32;
constexpr std::size_t most_shared_bytes = 227 * 1024;  ///< of an H100's block
constexpr unsigned most_threads = 1024;

/// Stacks with a guard page below each, kept between launches.
class StackPool {
  public:
    StackPool() = default;
    ~StackPool() { release(); }
    StackPool(const StackPool&) = delete;
    StackPool& operator=(const StackPool&) = delete;

    void reserve(std::size_t count) {
        if (count <= count_) return;
        release();
        const std::size_t bytes = count * slot_bytes;
        void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            throw OutOfMemoryError("out of memory on simt: no stacks for a block", bytes, 0);
        }
        memory_ = static_cast<char*>(memory);
        count_ = count;
        for (std::size_t i = 0; i < count; ++i) {
            mprotect(memory_ + i * slot_bytes, page_bytes, PROT_NONE);
        }
    }

    char* bottom(std::size_t i) const { return memory_ + i * slot_bytes + page_bytes; }

  private:
    static constexpr std::size_t slot_bytes = stack_bytes + page_bytes;

    void release() {
        if (memory_ != nullptr) munmap(memory_, count_ * slot_bytes);
        memory_ = nullptr;
        count_ = 0;
    }

    char* memory_ = nullptr;
    std::size_t count_ = 0;
};

enum class State : std::uint8_t { ready, at_barrier, in_warp, done };

/// An asynchronous copy: what it read, and whether that has been written already.
struct PendingCopy {
    char* destination;
    char data[16];
    std::size_t bytes;
    bool is_written;
};

struct Lane {
    fcontext_t fibre = nullptr;
    char* stack = nullptr;
    void* fake_stack = nullptr;  ///< the address sanitizer's
    State state = State::ready;
    const char* operation = "";
    Site site;
    void* argument = nullptr;
    bool predicate = false;
    std::vector<std::vector<PendingCopy>> groups;
    std::vector<PendingCopy> open_group;
};

struct SharedArray {
    std::size_t offset;
    std::size_t bytes;
};

/// One launch. The fibres find it through `running`.
class Execution {
  public:
    Execution(const char* kernel, const LaunchShape& shape, const Schedule& schedule,
              const std::function<void()>& thread);
    ~Execution();
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    void run();

    Lane& lane() { return lanes_[current_]; }
    int current() const { return current_; }
    const LaunchShape& shape() const { return shape_; }
    Index block() const { return block_; }
    std::string place() const;

    int barrier(bool predicate, const Site& site);
    void collective(const char* operation, const Site& site, void* argument, WarpOperation run);
    void* array(int number, std::size_t bytes);
    void start_copy(const PendingCopy& copy, const void* source);
    void finish_copies(int pending);
    void access(const void* address, std::size_t bytes, bool is_write);
    void warp_synchronised() { ++warp_epochs_[current_ / warp_size]; }

  private:
    void start_block(unsigned number);
    void run_block();
    bool run_warp(int warp);
    void resume(int lane);
    void leave(State state);
    void finish_block();
    void release_barrier();
    [[noreturn]] void report_stuck() const;
    bool offset_of(const void* address, std::size_t& offset) const;
    Accessor accessor() const;
    static void enter(transfer_t transfer);

    const char* kernel_;
    const LaunchShape& shape_;
    const Schedule& schedule_;
    const std::function<void()>& thread_;
    std::mt19937_64 random_;
    Index block_;
    std::vector<Lane> lanes_;
    std::vector<int> arrived_;
    std::vector<int> warp_order_;
    int current_ = -1;
    int voted_ = 0;
    fcontext_t scheduler_ = nullptr;
    const void* scheduler_stack_ = nullptr;
    std::size_t scheduler_stack_bytes_ = 0;
    std::exception_ptr error_;

    std::size_t arena_bytes_ = 0;
    std::unique_ptr<char[]> arena_storage_;
    char* arena_ = nullptr;
    std::vector<SharedArray> arrays_;

    RaceCheck races_;
    std::uint32_t block_epoch_ = 0;
    std::vector<std::uint32_t> warp_epochs_;
};

thread_local Execution* running = nullptr;
thread_local StackPool stacks;

std::string describe(const Site& site) {
    const std::string file = site.file_name();
    return file.substr(file.find_last_of('/') + 1) + ":" + std::to_string(site.line());
}

bool is_same(const Site& a, const Site& b) {
    return a.line() == b.line() && a.column() == b.column() &&
           std::strcmp(a.file_name(), b.file_name()) == 0;
}

Execution::Execution(const char* kernel, const LaunchShape& shape, const Schedule& schedule,
                     const std::function<void()>& thread)
    : kernel_(kernel), shape_(shape), schedule_(schedule), thread_(thread), random_(schedule.seed) {
    const std::string subject = std::string("simt: kernel ") + kernel + ": ";
    if (shape.threads == 0 || shape.threads > most_threads || shape.threads % warp_size != 0) {
        throw DeviceError(subject + "a block must have 32, 64, ... 1024 threads, got " +
                          std::to_string(shape.threads));
    }
    if (shape.shared_bytes > most_shared_bytes) {
        throw DeviceError(subject + "asks for " + std::to_string(shape.shared_bytes) +
                          " bytes of shared memory of " + std::to_string(most_shared_bytes));
    }
    if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0 || shape.grid.y > 65535 ||
        shape.grid.z > 65535) {
        throw DeviceError(subject + "a grid of " + std::to_string(shape.grid.x) + " x " +
                          std::to_string(shape.grid.y) + " x " + std::to_string(shape.grid.z) +
                          " blocks cannot be launched");
    }
    const int warps = static_cast<int>(shape.threads) / warp_size;
    lanes_.resize(shape.threads);
    arrived_.assign(warps, 0);
    warp_epochs_.assign(warps, 0);
    warp_order_.resize(warps);
    std::iota(warp_order_.begin(), warp_order_.end(), 0);
    stacks.reserve(shape.threads);
    for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].stack = stacks.bottom(i);
    if (shape.shared_bytes > 0) {
        arena_bytes_ = shape.shared_bytes + gap_bytes * (most_arrays + 1);
        arena_storage_ = std::make_unique<char[]>(arena_bytes_ + 128);
        const auto address = reinterpret_cast<std::uintptr_t>(arena_storage_.get());
        arena_ = arena_storage_.get() + (128 - address % 128);
    }
}

Execution::~Execution() {
#if defined(__SANITIZE_ADDRESS__)
    if (arena_ != nullptr) __asan_unpoison_memory_region(arena_, arena_bytes_);
#endif
    running = nullptr;
}

std::string Execution::place() const {
    std::string text = std::string("simt: kernel ") + kernel_ + ", block (" +
                       std::to_string(block_.x) + ", " + std::to_string(block_.y) + ", " +
                       std::to_string(block_.z) + ")";
    if (current_ >= 0) text += ", thread " + std::to_string(current_);
    return text + ": ";
}

void Execution::run() {
    const unsigned blocks = shape_.grid.x * shape_.grid.y * shape_.grid.z;
    std::vector<unsigned> order(blocks);
    std::iota(order.begin(), order.end(), 0U);
    if (schedule_.is_shuffled) std::shuffle(order.begin(), order.end(), random_);
    running = this;
    for (const unsigned number : order) {
        start_block(number);
        run_block();
        finish_block();
    }
}

void Execution::start_block(unsigned number) {
    const Extent& grid = shape_.grid;
    block_ = {number % grid.x, number / grid.x % grid.y, number / (grid.x * grid.y)};
    std::fill(arrived_.begin(), arrived_.end(), 0);
    for (Lane& lane : lanes_) {
        lane.state = State::ready;
        lane.fake_stack = nullptr;
        lane.groups.clear();
        lane.open_group.clear();
        lane.fibre = make_fcontext(lane.stack + stack_bytes, stack_bytes, enter);
    }
    arrays_.clear();
    if (arena_ != nullptr) {
#if defined(__SANITIZE_ADDRESS__)
        __asan_unpoison_memory_region(arena_, arena_bytes_);
#endif
        std::memset(arena_, 0xFF, arena_bytes_);
#if defined(__SANITIZE_ADDRESS__)
        __asan_poison_memory_region(arena_, arena_bytes_);
#endif
    }
    if (schedule_.checks_races) races_.start_block(arena_bytes_);
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
        const auto in_state = [this](State state) {
            return static_cast<int>(
                std::count_if(lanes_.begin(), lanes_.end(),
                              [=](const Lane& lane) { return lane.state == state; }));
        };
        if (in_state(State::done) == count) return;
        if (in_state(State::at_barrier) == count) {
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
    for (const int lane : order) {
        if (lanes_[lane].state != State::ready) continue;
        resume(lane);
        any_ran = true;
    }
    return any_ran;
}

void Execution::resume(int lane) {
    current_ = lane;
#if defined(__SANITIZE_ADDRESS__)
    void* own_stack = nullptr;
    __sanitizer_start_switch_fiber(&own_stack, lanes_[lane].stack, stack_bytes);
#endif
    const transfer_t transfer = jump_fcontext(lanes_[lane].fibre, this);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own_stack, nullptr, nullptr);
#endif
    lanes_[lane].fibre = transfer.fctx;
    if (error_) std::rethrow_exception(error_);
    if (schedule_.checks_races && !races_.first_race().empty()) {
        throw DeviceError(place() + "race: " + races_.first_race());
    }
    current_ = -1;
}

void Execution::enter(transfer_t transfer) {
    auto& self = *static_cast<Execution*>(transfer.data);
    self.scheduler_ = transfer.fctx;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &self.scheduler_stack_, &self.scheduler_stack_bytes_);
#endif
    try {
        self.thread_();
    } catch (...) {
        self.error_ = std::current_exception();
    }
    self.leave(State::done);
}

/// Back to the scheduler; returns when it resumes this lane.
void Execution::leave(State state) {
    Lane& own = lane();
    own.state = state;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(state == State::done ? nullptr : &own.fake_stack,
                                   scheduler_stack_, scheduler_stack_bytes_);
#endif
    const transfer_t transfer = jump_fcontext(scheduler_, nullptr);
    scheduler_ = transfer.fctx;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own.fake_stack, &scheduler_stack_, &scheduler_stack_bytes_);
#endif
}

int Execution::barrier(bool predicate, const Site& site) {
    Lane& own = lane();
    own.operation = "__syncthreads";
    own.site = site;
    own.predicate = predicate;
    leave(State::at_barrier);
    return voted_;
}

void Execution::release_barrier() {
    voted_ = 0;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (!is_same(lanes_[i].site, lanes_[0].site)) {
            throw DeviceError(place() + "barrier divergence: thread 0 waits at " +
                              describe(lanes_[0].site) + ", thread " + std::to_string(i) + " at " +
                              describe(lanes_[i].site));
        }
        voted_ += lanes_[i].predicate ? 1 : 0;
        lanes_[i].state = State::ready;
    }
    ++block_epoch_;
}

void Execution::collective(const char* operation, const Site& site, void* argument,
                           WarpOperation run) {
    const int warp = current_ / warp_size;
    Lane& own = lane();
    own.operation = operation;
    own.site = site;
    own.argument = argument;
    if (++arrived_[warp] < warp_size) {
        leave(State::in_warp);
        return;
    }
    arrived_[warp] = 0;
    void* arguments[warp_size];
    for (int i = 0; i < warp_size; ++i) {
        Lane& other = lanes_[warp * warp_size + i];
        if (std::strcmp(other.operation, operation) != 0 || !is_same(other.site, site)) {
            fail(std::string("unmatched warp operations: ") + operation + " at " + describe(site) +
                 ", but thread " + std::to_string(warp * warp_size + i) + " is in " +
                 other.operation + " at " + describe(other.site));
        }
        arguments[i] = other.argument;
        if (&other != &own) other.state = State::ready;
    }
    run(arguments);
}

void Execution::report_stuck() const {
    std::string text = place() + "barrier divergence or unmatched warp operations:";
    const char* separator = " ";
    for (const State state : {State::at_barrier, State::in_warp, State::done}) {
        int count = 0;
        std::size_t first = 0;
        for (std::size_t i = lanes_.size(); i-- > 0;) {
            if (lanes_[i].state != state) continue;
            ++count;
            first = i;
        }
        if (count == 0) continue;
        text += separator + std::to_string(count) +
                (state == State::done ? " threads have ended" : " threads wait") + " (thread " +
                std::to_string(first);
        if (state != State::done) {
            text += std::string(" in ") + lanes_[first].operation + " at " +
                    describe(lanes_[first].site);
        }
        text += ")";
        separator = ", ";
    }
    throw DeviceError(text);
}

void* Execution::array(int number, std::size_t bytes) {
    const auto index = static_cast<std::size_t>(number);
    if (index < arrays_.size()) {
        if (arrays_[index].bytes != bytes) {
            fail("shared array " + std::to_string(number) + " has " + std::to_string(bytes) +
                 " bytes, another thread took " + std::to_string(arrays_[index].bytes));
        }
        return arena_ + arrays_[index].offset;
    }
    if (index > arrays_.size() || index >= most_arrays) {
        fail("shared array " + std::to_string(number) + " is out of order");
    }
    std::size_t offset = gap_bytes;
    std::size_t total = shared_bytes_of(bytes);
    for (const SharedArray& earlier : arrays_) {
        offset += shared_bytes_of(earlier.bytes) + gap_bytes;
        total += shared_bytes_of(earlier.bytes);
    }
    if (total > shape_.shared_bytes) {
        fail("shared arrays take " + std::to_string(total) + " bytes, the launch asked for " +
             std::to_string(shape_.shared_bytes));
    }
    arrays_.push_back({offset, bytes});
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(arena_ + offset, bytes);
#endif
    return arena_ + offset;
}

/// What lies between the arrays must be as it was.
void Execution::finish_block() {
    current_ = -1;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        const Lane& lane = lanes_[i];
        if (!lane.groups.empty() || !lane.open_group.empty()) {
            throw DeviceError(place() + "thread " + std::to_string(i) +
                              " ended with unfinished asynchronous copies");
        }
    }
#if !defined(__SANITIZE_ADDRESS__)
    std::size_t at = 0;
    for (std::size_t i = 0; i <= arrays_.size() && arena_ != nullptr; ++i) {
        const std::size_t end = i < arrays_.size() ? arrays_[i].offset : arena_bytes_;
        for (; at < end; ++at) {
            if (arena_[at] == static_cast<char>(0xFF)) continue;
            std::string text = place() + "a write out of bounds of shared memory, ";
            if (i > 0) {
                text += std::to_string(at - arrays_[i - 1].offset - arrays_[i - 1].bytes) +
                        " bytes after the end of shared array " + std::to_string(i - 1);
            } else {
                text += std::to_string(end - at) + " bytes before shared array 0";
            }
            throw DeviceError(text);
        }
        if (i < arrays_.size()) at = end + arrays_[i].bytes;
    }
#endif
}

bool Execution::offset_of(const void* address, std::size_t& offset) const {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const auto begin = reinterpret_cast<std::uintptr_t>(arena_);
    if (arena_ == nullptr || at < begin || at >= begin + arena_bytes_) return false;
    offset = at - begin;
    return true;
}

Accessor Execution::accessor() const {
    return {current_, block_epoch_, warp_epochs_[current_ / warp_size]};
}

void Execution::access(const void* address, std::size_t bytes, bool is_write) {
    std::size_t offset = 0;
    if (!schedule_.checks_races || current_ < 0 || !offset_of(address, offset)) return;
    races_.access(accessor(), offset, bytes, is_write);
}

void Execution::start_copy(const PendingCopy& copy, const void* source) {
    const auto misaligned = [&](const void* address) {
        return reinterpret_cast<std::uintptr_t>(address) % copy.bytes != 0;
    };
    if (misaligned(copy.destination) || (source != nullptr && misaligned(source))) {
        fail("an asynchronous copy of " + std::to_string(copy.bytes) + " bytes is misaligned");
    }
    std::size_t offset = 0;
    if (!offset_of(copy.destination, offset)) {
        fail("an asynchronous copy goes outside shared memory");
    }
    if (schedule_.checks_races) races_.copy_begins(accessor(), offset, copy.bytes);
    PendingCopy pending = copy;
    if (source != nullptr) {
        std::memcpy(pending.data, source, copy.bytes);
    } else {
        std::memset(pending.data, 0, copy.bytes);
    }
    pending.is_written = schedule_.is_shuffled && random_() % 2 == 0;
    if (pending.is_written) std::memcpy(pending.destination, pending.data, pending.bytes);
    lane().open_group.push_back(pending);
}

void Execution::finish_copies(int pending) {
    auto& groups = lane().groups;
    while (static_cast<int>(groups.size()) > pending) {
        for (const PendingCopy& copy : groups.front()) {
            if (!copy.is_written) std::memcpy(copy.destination, copy.data, copy.bytes);
            std::size_t offset = 0;
            if (schedule_.checks_races && offset_of(copy.destination, offset)) {
                races_.copy_ends(accessor(), offset, copy.bytes);
            }
        }
        groups.erase(groups.begin());
    }
}

Execution& execution() {
    if (running == nullptr) throw DeviceError("simt: a device function was called on the host");
    return *running;
}

}  // namespace

void execute(const char* kernel, const LaunchShape& shape, const Schedule& schedule,
             const std::function<void()>& thread) {
    Execution(kernel, shape, schedule, thread).run();
}

Index thread_index() {
    return {static_cast<unsigned>(execution().current()), 0, 0};
}
Index block_index() {
    return execution().block();
}
Extent block_size() {
    return {execution().shape().threads, 1, 1};
}
Extent grid_size() {
    return execution().shape().grid;
}

int block_barrier(bool predicate, const Site& site) {
    return execution().barrier(predicate, site);
}

void warp_collective(const char* operation, const Site& site, void* lane, WarpOperation run) {
    execution().collective(operation, site, lane, run);
}

void warp_barrier(const Site& site) {
    warp_collective("__syncwarp", site, nullptr,
                    [](void* const(&)[warp_size]) { execution().warp_synchronised(); });
}

void* shared_array(int number, std::size_t bytes) {
    return execution().array(number, bytes);
}

void copy_async(void* destination, const void* source, std::size_t bytes, bool is_valid) {
    execution().start_copy({static_cast<char*>(destination), {}, bytes, false},
                           is_valid ? source : nullptr);
}

void copy_async_commit() {
    Lane& lane = execution().lane();
    lane.groups.push_back(std::move(lane.open_group));
    lane.open_group.clear();
}

void copy_async_wait(int pending) {
    execution().finish_copies(pending);
}

void shared_access(const void* address, std::size_t bytes, bool is_write) {
    if (running != nullptr) running->access(address, bytes, is_write);
}

void fail(const std::string& what) {
    throw DeviceError(execution().place() + what);
}

}  // namespace balmer::simt
