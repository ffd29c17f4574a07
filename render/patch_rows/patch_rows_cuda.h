#pragma once
// The device's entries in the choice table of patch-rows.

#include <string>

#include "render/image.h"

namespace balmer::render {

template <DeviceType device>
std::string accepts_patch_rows_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void patch_rows_device(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
