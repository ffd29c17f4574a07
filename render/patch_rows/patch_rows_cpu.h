#pragma once
// The plain version of patch-rows.

#include "render/image.h"

namespace balmer::render {

void patch_rows_plain(const Context& context, const ImageRequest& request);

}  // namespace balmer::render
