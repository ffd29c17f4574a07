#pragma once
// The CPU's entries in the choice tables of attention.

#include <string>

#include "kernels/attention/attention.h"

namespace balmer::kernels {

void attention_plain(const Context& context, const AttentionForward& arguments);
void attention_backward_plain(const Context& context, const AttentionBackward& arguments);

/// f32 and bf16, by matrix products on blocks of queries.
std::string accepts_attention_blocked(const Context& context, const AttentionForward& arguments);
void attention_blocked(const Context& context, const AttentionForward& arguments);
std::string accepts_attention_backward_blocked(const Context& context,
                                               const AttentionBackward& arguments);
void attention_backward_blocked(const Context& context, const AttentionBackward& arguments);

}  // namespace balmer::kernels
