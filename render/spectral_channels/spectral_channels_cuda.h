#pragma once
// spectral_channels.h on the device; for the renderers that draw its channels.

#include "kernels/core/buffer.h"
#include "render/image.h"

namespace balmer::render {

/// The channels of every spectrum of the batch, u32 [B, L], red, green and blue in the lower three
/// bytes; pixels beyond a spectrum's length are undefined. The same bytes as SpectralChannels.
template <DeviceType device>
Buffer spectral_channels_device(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
