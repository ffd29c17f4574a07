#pragma once
// The plain version of augmentation.

#include "render/augment/augment.h"

namespace balmer::render {

void augment_plain(const Context& context, const AugmentRequest& request);

}  // namespace balmer::render
