#pragma once
// The plain versions of the map2d room: the specification of its pixels.

#include "render/image.h"

namespace balmer::render {

void map2d_plain(const Context& context, const ImageRequest& request);
void map2d_norm_plain(const Context& context, const ImageRequest& request);
void map2d_deriv_plain(const Context& context, const ImageRequest& request);
void map2d_robust_plain(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
