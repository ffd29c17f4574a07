#pragma once
// The CPU's entries in the choice tables of mse.

#include "kernels/mse/mse.h"

namespace balmer::kernels {

void mse_plain(const Context& context, const MseForward& arguments);
void mse_backward_plain(const Context& context, const MseBackward& arguments);

}  // namespace balmer::kernels
