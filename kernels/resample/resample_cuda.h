#pragma once
// The device's entry in the choice table of resample.

#include <string>

#include "kernels/resample/resample.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_resample_device(const Context& context, const ResampleBatch& arguments);
template <DeviceType device>
void resample_device(const Context& context, const ResampleBatch& arguments);

}  // namespace balmer::kernels
