#pragma once
// What is left out, in integers: every device decides alike.

#include <cmath>

#include "kernels/core/random.h"

namespace balmer::kernels {

/// uniform() < p for the 64 bits that it is made of: u 2^-53 < p where u < ceil(2^53 p).
inline std::uint64_t drop_path_threshold(double probability) {
    return static_cast<std::uint64_t>(std::ceil(probability * 0x1p53));
}
constexpr bool is_sample_dropped(std::uint64_t seed, std::uint64_t stream, std::uint64_t position,
                                 std::uint64_t threshold) {
    const auto words = philox(seed, stream, position);
    return ((std::uint64_t{words[1]} << 32 | words[0]) >> 11) < threshold;
}

/// A word below this leaves its element out.
inline std::uint64_t dropout_threshold(double probability) {
    return static_cast<std::uint64_t>(std::ceil(probability * 0x1p32));
}

}  // namespace balmer::kernels
