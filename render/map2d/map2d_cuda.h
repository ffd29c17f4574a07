#pragma once
// The device's entries in the choice tables of the map2d room.

#include <string>

#include "render/image.h"

namespace balmer::render {

template <DeviceType device>
std::string accepts_map2d_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void map2d_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void map2d_norm_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void map2d_deriv_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void map2d_robust_device(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
