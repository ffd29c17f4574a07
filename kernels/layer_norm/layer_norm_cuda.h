#pragma once
// The device's entries in the choice tables of layer_norm.

#include <string>

#include "kernels/layer_norm/layer_norm.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_layer_norm_device(const Context& context, const LayerNormForward& arguments);
template <DeviceType device>
void layer_norm_device(const Context& context, const LayerNormForward& arguments);

template <DeviceType device>
std::string accepts_layer_norm_backward_device(const Context& context,
                                               const LayerNormBackward& arguments);
template <DeviceType device>
void layer_norm_backward_device(const Context& context, const LayerNormBackward& arguments);

}  // namespace balmer::kernels
