#pragma once
// The device's entries in the choice table of map2d-roi.

#include <string>

#include "render/image.h"

namespace balmer::render {

template <DeviceType device>
std::string accepts_map2d_roi_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void map2d_roi_device(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
