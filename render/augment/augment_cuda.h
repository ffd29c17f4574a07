#pragma once
// Augmentation on the device.

#include <string>

#include "kernels/core/context.h"
#include "render/augment/augment.h"

namespace balmer::render {

template <DeviceType device>
std::string accepts_augment_device(const Context& context, const AugmentRequest& request);
template <DeviceType device>
void augment_device(const Context& context, const AugmentRequest& request);

}  // namespace balmer::render
