#pragma once
// Copies between devices, in the order of a stream.

#include <cstddef>

#include "kernels/core/view.h"

namespace balmer {

/// Copies `bytes` between two devices (cpu, simt, CUDA; also the same one) in the order of the
/// context's stream. Where a side is on CUDA the context must be of such a device. On return the
/// host side may be reused (source) or read (destination), unless it is a PinnedBuffer: then the
/// copy may still be under way, and is done after `synchronize(context)` or an event.
void copy_bytes(const Context& context, void* destination, Device destination_device,
                const void* source, Device source_device, std::size_t bytes);

/// Copies the elements of `source` to `destination`, each on its own device: same dtype and shape
/// (DTypeError, ShapeError); both contiguous, or both with rows of unit stride that lie evenly
/// (ShapeError else).
void copy_view(const Context& context, const View& destination, const View& source);

/// Sets `bytes` of memory on the context's device to `value`, in the order of its stream.
void fill_bytes(const Context& context, void* destination, unsigned char value, std::size_t bytes);

}  // namespace balmer
