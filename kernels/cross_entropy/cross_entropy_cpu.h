#pragma once
// The CPU's entries in the choice tables of cross_entropy.

#include "kernels/cross_entropy/cross_entropy.h"

namespace balmer::kernels {

void cross_entropy_plain(const Context& context, const CrossEntropyForward& arguments);
void cross_entropy_backward_plain(const Context& context, const CrossEntropyBackward& arguments);

}  // namespace balmer::kernels
