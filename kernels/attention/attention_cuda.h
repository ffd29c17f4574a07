#pragma once
// The device's entries in the choice tables of attention.
//
//   short      bf16, up to 208 tokens: a head's keys and values whole in shared memory
//   streaming  bf16, any length: tiles of keys go by, online softmax
//   general    f32 and bf16, any head dimension, stride and alignment: f32 arithmetic
//
// The first two take head dimensions 32, 64 and 128 (the short backward pass 32 and 64), rows that
// start at multiples of 16 bytes, and positive scales.

#include <string>

#include "kernels/attention/attention.h"

namespace balmer::kernels {

template <DeviceType device>
std::string accepts_attention_short(const Context& context, const AttentionForward& arguments);
template <DeviceType device>
void attention_short(const Context& context, const AttentionForward& arguments);
template <DeviceType device>
std::string accepts_attention_backward_short(const Context& context,
                                             const AttentionBackward& arguments);
template <DeviceType device>
void attention_backward_short(const Context& context, const AttentionBackward& arguments);

template <DeviceType device>
std::string accepts_attention_streaming(const Context& context, const AttentionForward& arguments);
template <DeviceType device>
void attention_streaming(const Context& context, const AttentionForward& arguments);
template <DeviceType device>
std::string accepts_attention_backward_streaming(const Context& context,
                                                 const AttentionBackward& arguments);
template <DeviceType device>
void attention_backward_streaming(const Context& context, const AttentionBackward& arguments);

template <DeviceType device>
std::string accepts_attention_general(const Context& context, const AttentionForward& arguments);
template <DeviceType device>
void attention_general(const Context& context, const AttentionForward& arguments);
template <DeviceType device>
std::string accepts_attention_backward_general(const Context& context,
                                               const AttentionBackward& arguments);
template <DeviceType device>
void attention_backward_general(const Context& context, const AttentionBackward& arguments);

}  // namespace balmer::kernels
