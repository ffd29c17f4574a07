#pragma once
// The device's entries in the choice tables of dropout.

#include <string>

#include "kernels/dropout/dropout.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_dropout_device(const Context& context, const Dropout& arguments);
template <DeviceType device>
void dropout_device(const Context& context, const Dropout& arguments);

template <DeviceType device>
std::string accepts_drop_path_device(const Context& context, const DropPath& arguments);
template <DeviceType device>
void drop_path_device(const Context& context, const DropPath& arguments);

}  // namespace balmer::kernels
