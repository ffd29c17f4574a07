#include "kernels/core/graph.h"

#include <exception>
#include <utility>

#include "kernels/core/caching_allocator.h"
#include "kernels/core/error.h"

namespace balmer {

Graph::Graph(const Context& context, std::function<void()> work) : device_(context.device) {
    Runtime& runtime = runtime_of(device_);
    if (!runtime.is_asynchronous()) {
        work_ = std::move(work);
        return;
    }
    CachingAllocator& allocator = allocator_of(device_);
    runtime.begin_capture(context);
    std::exception_ptr failure;
    try {
        allocator.begin_capture(context.stream);
        work();
    } catch (...) {
        failure = std::current_exception();
    }
    std::string reason;
    handle_ = runtime.end_capture(context, reason);
    pool_ = allocator.end_capture(context.stream);
    if (handle_ != nullptr && failure == nullptr) return;
    if (handle_ != nullptr) runtime.destroy_graph(device_.index, handle_);
    allocator.release_pool(pool_);
    if (failure != nullptr) std::rethrow_exception(failure);
    throw DeviceError("graph capture on " + name_of(device_) + ": " + reason);
}

Graph::~Graph() {
    if (handle_ == nullptr) return;
    Runtime& runtime = *find_runtime(device_.type);
    CachingAllocator& allocator = allocator_of(device_);
    try {
        runtime.synchronize_device(device_.index);
    } catch (const Error&) {
        // A device that failed says so to whoever uses it next.
    }
    runtime.destroy_graph(device_.index, handle_);
    allocator.release_pool(pool_);
}

Graph::Graph(Graph&& other) noexcept
    : device_(other.device_),
      work_(std::move(other.work_)),
      handle_(std::exchange(other.handle_, nullptr)),
      pool_(other.pool_) {}

Graph& Graph::operator=(Graph&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(work_, other.work_);
    std::swap(handle_, other.handle_);
    std::swap(pool_, other.pool_);
    return *this;
}

void Graph::replay(const Context& context) const {
    if (!(context.device == device_)) {
        throw DeviceError("a graph of " + name_of(device_) + " cannot run on " +
                          name_of(context.device));
    }
    if (work_) return work_();
    runtime_of(device_).replay(context, handle_);
}

}  // namespace balmer
