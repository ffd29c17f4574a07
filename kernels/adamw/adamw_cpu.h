#pragma once
// The CPU's entry in the choice table of adamw.

#include "kernels/adamw/adamw.h"

namespace balmer::kernels {

void adamw_plain(const Context& context, const AdamWArguments& arguments);

}  // namespace balmer::kernels
