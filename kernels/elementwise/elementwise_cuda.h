#pragma once
// The device's entries in the choice tables of elementwise.

#include <string>

#include "kernels/elementwise/elementwise_cpu.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_binary_device(const Context& context, const Binary& arguments);
template <DeviceType device>
void binary_device(const Context& context, const Binary& arguments);

template <DeviceType device>
std::string accepts_unary_device(const Context& context, const Unary& arguments);
template <DeviceType device>
void unary_device(const Context& context, const Unary& arguments);

template <DeviceType device>
std::string accepts_unary_backward_device(const Context& context, const UnaryBackward& arguments);
template <DeviceType device>
void unary_backward_device(const Context& context, const UnaryBackward& arguments);

template <DeviceType device>
std::string accepts_affine_device(const Context& context, const Affine& arguments);
template <DeviceType device>
void affine_device(const Context& context, const Affine& arguments);

template <DeviceType device>
std::string accepts_copy_device(const Context& context, const Copy& arguments);
template <DeviceType device>
void copy_device(const Context& context, const Copy& arguments);

template <DeviceType device>
std::string accepts_fill_device(const Context& context, const Fill& arguments);
template <DeviceType device>
void fill_device(const Context& context, const Fill& arguments);

}  // namespace balmer::kernels
