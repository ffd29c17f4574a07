#pragma once
// The CPU's entries in the choice tables of attention.

#include "kernels/attention/attention.h"

namespace balmer::kernels {

void attention_plain(const Context& context, const AttentionForward& arguments);
void attention_backward_plain(const Context& context, const AttentionBackward& arguments);

}  // namespace balmer::kernels
