#pragma once
// The CPU's entries in the choice tables of adamw.

#include "kernels/adamw/adamw.h"

namespace balmer::kernels {

void adamw_plain(const Context& context, const AdamWArguments& arguments);
void prepare_adamw_plain(const Context& context, const AdamWPreparation& arguments);

}  // namespace balmer::kernels
