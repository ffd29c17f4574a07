#pragma once
// The CPU's entries in the choice tables of reduce.

#include "kernels/reduce/reduce.h"

namespace balmer::kernels {

struct GlobalNorm {
    std::span<const View> views;
    double* result = nullptr;
};

struct AllFinite {
    View view;
    bool* result = nullptr;
};

void sum_plain(const Context& context, const Sum& arguments);
void global_norm_plain(const Context& context, const GlobalNorm& arguments);
void all_finite_plain(const Context& context, const AllFinite& arguments);

}  // namespace balmer::kernels
