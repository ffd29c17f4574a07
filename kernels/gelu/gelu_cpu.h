#pragma once
// The CPU's entries in the choice tables of gelu.

#include "kernels/gelu/gelu.h"

namespace balmer::kernels {

void gelu_plain(const Context& context, const GeluForward& arguments);
void gelu_backward_plain(const Context& context, const GeluBackward& arguments);

}  // namespace balmer::kernels
