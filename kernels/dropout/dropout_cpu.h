#pragma once
// The CPU's entries in the choice tables of dropout.

#include "kernels/dropout/dropout.h"

namespace balmer::kernels {

void dropout_plain(const Context& context, const Dropout& arguments);
void drop_path_plain(const Context& context, const DropPath& arguments);

}  // namespace balmer::kernels
