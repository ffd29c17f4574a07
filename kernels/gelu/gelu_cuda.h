#pragma once
// The device's entries in the choice tables of gelu.

#include <string>

#include "kernels/gelu/gelu.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_gelu_device(const Context& context, const GeluForward& arguments);
template <DeviceType device>
void gelu_device(const Context& context, const GeluForward& arguments);

template <DeviceType device>
std::string accepts_gelu_backward_device(const Context& context, const GeluBackward& arguments);
template <DeviceType device>
void gelu_backward_device(const Context& context, const GeluBackward& arguments);

}  // namespace balmer::kernels
