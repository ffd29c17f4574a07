#include "train/staging.h"

#include <cstring>

#include "kernels/core/transfer.h"

namespace balmer::train {

void Staging::begin() {
    current_ = 1 - current_;
    sets_[current_].used = 0;
}

void Staging::put(const View& host, Tensor& device) {
    expect_contiguous(host, "staging", "host");
    if (!device.defined() || !(device.shape() == host.shape) || device.dtype() != host.dtype) {
        device = Tensor::empty(host.shape, host.dtype, context_);
    }
    const auto bytes = static_cast<std::size_t>(host.numel()) * size_of(host.dtype);
    if (bytes == 0) return;
    Set& set = sets_[current_];
    if (set.used == set.buffers.size()) set.buffers.emplace_back();
    PinnedBuffer& buffer = set.buffers[set.used++];
    if (buffer.bytes() < bytes) buffer = PinnedBuffer(bytes);
    std::memcpy(buffer.data(), host.data, bytes);
    copy_bytes(context_, device.view().data, context_.device, buffer.data(), Device{}, bytes);
}

}  // namespace balmer::train
