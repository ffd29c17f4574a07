#include "kernels/core/stream.h"

#include <utility>

#include "kernels/core/caching_allocator.h"
#include "kernels/core/error.h"

namespace balmer {

Stream::Stream(Device device)
    : device_(device), handle_(runtime_of(device).create_stream(device.index)) {}

Stream::~Stream() {
    if (handle_ == nullptr) return;
    Runtime& runtime = *find_runtime(device_.type);
    CachingAllocator& allocator = allocator_of(device_);
    try {
        runtime.synchronize(context());
    } catch (const Error&) {
        // A device that failed says so to whoever uses it next; its memory is in no order any more.
        allocator.release();
    }
    allocator.forget_stream(handle_);
    runtime.destroy_stream(device_.index, handle_);
}

Stream::Stream(Stream&& other) noexcept
    : device_(other.device_), handle_(std::exchange(other.handle_, nullptr)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    return *this;
}

Context Stream::context(int threads) const {
    return {.device = device_, .stream = handle_, .threads = threads};
}

void synchronize(const Context& context) {
    runtime_of(context.device).synchronize(context);
}

Event::Event(Device device, Kind kind)
    : device_(device),
      kind_(kind),
      handle_(runtime_of(device).create_event(device.index, kind == Kind::timing)) {}

Event::~Event() {
    if (handle_ != nullptr) find_runtime(device_.type)->destroy_event(device_.index, handle_);
}

Event::Event(Event&& other) noexcept
    : device_(other.device_), kind_(other.kind_), handle_(std::exchange(other.handle_, nullptr)) {}

Event& Event::operator=(Event&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(kind_, other.kind_);
    std::swap(handle_, other.handle_);
    return *this;
}

void Event::record(const Context& context) {
    if (!(context.device == device_)) {
        throw DeviceError("an event of " + name_of(device_) + " cannot be recorded on " +
                          name_of(context.device));
    }
    runtime_of(device_).record(context, handle_);
}

void Event::hold_back(const Context& context) const {
    runtime_of(context.device).wait(context, handle_);
}

bool Event::is_done() const {
    return runtime_of(device_).is_done(device_.index, handle_);
}

void Event::synchronize() const {
    runtime_of(device_).synchronize_event(device_.index, handle_);
}

double Event::milliseconds_since(const Event& start) const {
    if (kind_ != Kind::timing || start.kind_ != Kind::timing || !(device_ == start.device_)) {
        throw UsageError("time is measured between two timing events of one device");
    }
    return runtime_of(device_).milliseconds_between(device_.index, start.handle_, handle_);
}

}  // namespace balmer
