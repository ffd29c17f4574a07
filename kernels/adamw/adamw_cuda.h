#pragma once
// The device's entries in the choice tables of adamw.

#include <string>

#include "kernels/adamw/adamw.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_adamw_device(const Context& context, const AdamWArguments& arguments);
template <DeviceType device>
void adamw_device(const Context& context, const AdamWArguments& arguments);

template <DeviceType device>
std::string accepts_prepare_adamw_device(const Context& context, const AdamWPreparation& arguments);
template <DeviceType device>
void prepare_adamw_device(const Context& context, const AdamWPreparation& arguments);

}  // namespace balmer::kernels
