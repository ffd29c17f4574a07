#pragma once
// The device's entries in the choice tables of reduce.

#include <string>

#include "kernels/reduce/reduce_cpu.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_sum_device(const Context& context, const Sum& arguments);
template <DeviceType device>
void sum_device(const Context& context, const Sum& arguments);

template <DeviceType device>
std::string accepts_global_norm_device(const Context& context, const GlobalNorm& arguments);
template <DeviceType device>
void global_norm_device(const Context& context, const GlobalNorm& arguments);

template <DeviceType device>
std::string accepts_all_finite_device(const Context& context, const AllFinite& arguments);
template <DeviceType device>
void all_finite_device(const Context& context, const AllFinite& arguments);

}  // namespace balmer::kernels
