#pragma once
// What the choice tables of reduce are asked for, and the CPU's entries in them.

#include "kernels/reduce/reduce.h"

namespace balmer::kernels {

struct GlobalNorm {
    std::span<const View> views;
    View out;
};

struct AllFinite {
    View view;
    View out;
};

void sum_plain(const Context& context, const Sum& arguments);
void global_norm_plain(const Context& context, const GlobalNorm& arguments);
void all_finite_plain(const Context& context, const AllFinite& arguments);

}  // namespace balmer::kernels
