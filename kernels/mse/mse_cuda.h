#pragma once
// The device's entries in the choice tables of mse.

#include <string>

#include "kernels/mse/mse.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_mse_device(const Context& context, const MseForward& arguments);
template <DeviceType device>
void mse_device(const Context& context, const MseForward& arguments);

template <DeviceType device>
std::string accepts_mse_backward_device(const Context& context, const MseBackward& arguments);
template <DeviceType device>
void mse_backward_device(const Context& context, const MseBackward& arguments);

}  // namespace balmer::kernels
