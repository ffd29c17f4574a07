#pragma once
// The CPU's entries in the choice tables of elementwise.

#include "kernels/elementwise/elementwise.h"

namespace balmer::kernels {

struct Fill {
    View out;
    double value = 0.0;
};

void binary_plain(const Context& context, const Binary& arguments);
void unary_plain(const Context& context, const Unary& arguments);
void unary_backward_plain(const Context& context, const UnaryBackward& arguments);
void affine_plain(const Context& context, const Affine& arguments);
void copy_plain(const Context& context, const Copy& arguments);
void fill_plain(const Context& context, const Fill& arguments);

}  // namespace balmer::kernels
