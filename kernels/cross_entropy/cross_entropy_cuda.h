#pragma once
// The device's entries in the choice tables of cross_entropy.

#include <string>

#include "kernels/cross_entropy/cross_entropy.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_cross_entropy_device(const Context& context,
                                         const CrossEntropyForward& arguments);
template <DeviceType device>
void cross_entropy_device(const Context& context, const CrossEntropyForward& arguments);

template <DeviceType device>
std::string accepts_cross_entropy_backward_device(const Context& context,
                                                  const CrossEntropyBackward& arguments);
template <DeviceType device>
void cross_entropy_backward_device(const Context& context, const CrossEntropyBackward& arguments);

}  // namespace balmer::kernels
