#pragma once
// The CPU's entries in the choice tables of layer_norm.

#include "kernels/layer_norm/layer_norm.h"

namespace balmer::kernels {

void layer_norm_plain(const Context& context, const LayerNormForward& arguments);
void layer_norm_backward_plain(const Context& context, const LayerNormBackward& arguments);

}  // namespace balmer::kernels
