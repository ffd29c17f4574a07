#pragma once
// The device's entries in the choice tables of the line_plot room.

#include <string>

#include "render/image.h"

namespace balmer::render {

template <DeviceType device>
std::string accepts_line_plot_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void simple_device(const Context& context, const ImageRequest& request);
template <DeviceType device>
void overlap_device(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
