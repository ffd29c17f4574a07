#include "kernels/simt/executor.h"

#include "kernels/core/error.h"
#include "kernels/simt/execution.h"

namespace balmer::simt {

void execute(const char* kernel, const LaunchShape& shape, const Schedule& schedule,
             const std::function<void()>& thread) {
    Execution(kernel, shape, schedule, thread).run();
}

Index thread_index() {
    return {static_cast<unsigned>(Execution::current().thread()), 0, 0};
}
Index block_index() {
    return Execution::current().block();
}
Extent block_size() {
    return {Execution::current().shape().threads, 1, 1};
}
Extent grid_size() {
    return Execution::current().shape().grid;
}

int block_barrier(bool predicate, const Site& site) {
    return Execution::current().barrier(predicate, site);
}

void warp_collective(const char* operation, const Site& site, void* lane, WarpOperation run) {
    Execution::current().collective(operation, site, lane, run);
}

void warp_barrier(const Site& site) {
    warp_collective("__syncwarp", site, nullptr,
                    [](void* const(&)[warp_size]) { Execution::current().synchronise_warp(); });
}

void* shared_array(int number, std::size_t bytes) {
    return Execution::current().arena().array(number, bytes);
}

void copy_async(void* destination, const void* source, std::size_t bytes, bool is_valid) {
    Execution::current().start_copy(destination, is_valid ? source : nullptr, bytes);
}

void copy_async_commit() {
    Execution::current().commit_copies();
}

void copy_async_wait(int pending) {
    Execution::current().wait_for_copies(pending);
}

void shared_access(const void* address, std::size_t bytes, AccessKind kind) {
    if (Execution* execution = Execution::current_or_none()) {
        execution->access(address, bytes, kind);
    }
}

void fail(const std::string& what) {
    throw DeviceError(Execution::current().place() + what);
}

}  // namespace balmer::simt
