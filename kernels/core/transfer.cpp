#include "kernels/core/transfer.h"

#include "kernels/core/error.h"
#include "kernels/core/runtime.h"

namespace balmer {
namespace {

/// The runtime that copies between two devices: the one of a CUDA side, which must be a device of
/// the context's type.
Runtime& copier(const Context& context, Device destination, Device source) {
    const bool is_cuda = destination.type == DeviceType::cuda || source.type == DeviceType::cuda;
    if (!is_cuda) return host_runtime();
    if (context.device.type != DeviceType::cuda) {
        throw DeviceError("a copy from " + name_of(source) + " to " + name_of(destination) +
                          " needs a context of the GPU, got " + name_of(context.device));
    }
    return runtime_of(context.device);
}

bool has_host_side(Device destination, Device source) {
    return destination.type != DeviceType::cuda || source.type != DeviceType::cuda;
}

/// A view as rows of contiguous bytes, evenly apart.
struct Rows {
    std::size_t bytes = 0;
    std::size_t count = 1;
    std::size_t pitch = 0;
    bool are_even = true;
};

Rows rows_of(const View& view) {
    const std::size_t element = size_of(view.dtype);
    const int rank = view.shape.rank();
    const std::int64_t length = rank == 0 ? 1 : view.shape.back();
    Rows rows{.bytes = length * element, .count = 1, .pitch = length * element};
    rows.are_even = rank == 0 || view.has_unit_stride();
    std::int64_t apart = 0;
    for (int i = rank - 2; i >= 0; --i) {
        if (view.shape[i] == 1) continue;
        if (apart == 0) apart = view.strides[i];
        const auto expected = apart * static_cast<std::int64_t>(rows.count);
        rows.are_even = rows.are_even && view.strides[i] == expected && apart >= length;
        rows.count *= view.shape[i];
    }
    if (apart != 0) rows.pitch = apart * element;
    return rows;
}

}  // namespace

void copy_bytes(const Context& context, void* destination, Device destination_device,
                const void* source, Device source_device, std::size_t bytes) {
    Runtime& runtime = copier(context, destination_device, source_device);
    if (bytes == 0) return;
    runtime.copy(context, {.destination = destination,
                           .destination_pitch = bytes,
                           .source = source,
                           .source_pitch = bytes,
                           .bytes = bytes,
                           .count = 1,
                           .has_host_side = has_host_side(destination_device, source_device)});
}

void copy_view(const Context& context, const View& destination, const View& source) {
    expect_dtype(destination, source.dtype, "copy", "destination");
    expect_shape(destination, source.shape, "copy", "destination");
    if (source.numel() == 0) return;
    if (source.is_contiguous() && destination.is_contiguous()) {
        return copy_bytes(context, destination.data, destination.device, source.data, source.device,
                          source.numel() * size_of(source.dtype));
    }
    for (const View* view : {&source, &destination}) {
        if (rows_of(*view).are_even) continue;
        throw ShapeError("copy: " + to_string(*view) + " with strides " + to_string(view->strides) +
                         " does not lie in even rows");
    }
    const Rows to = rows_of(destination);
    const Rows from = rows_of(source);
    copier(context, destination.device, source.device)
        .copy(context, {.destination = destination.data,
                        .destination_pitch = to.pitch,
                        .source = source.data,
                        .source_pitch = from.pitch,
                        .bytes = from.bytes,
                        .count = from.count,
                        .has_host_side = has_host_side(destination.device, source.device)});
}

void fill_bytes(const Context& context, void* destination, unsigned char value, std::size_t bytes) {
    if (bytes > 0) runtime_of(context.device).fill(context, destination, value, bytes);
}

}  // namespace balmer
