#pragma once
// The plain versions of the line_plot room: the specification of its pixels.

#include "render/image.h"

namespace balmer::render {

void simple_plain(const Context& context, const ImageRequest& request);
void overlap_plain(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
