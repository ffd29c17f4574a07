#pragma once
// The CPU's entry in the choice table of resample.

#include "kernels/resample/resample.h"

namespace balmer::kernels {

void resample_plain(const Context& context, const ResampleBatch& arguments);

}  // namespace balmer::kernels
