#pragma once
// Logarithm, exponential and cosine that have the same bits on every device: only + - * / in f64,
// in this order, without contraction to fused multiply-adds. Libraries differ in their last bits.

#include <bit>
#include <cstdint>

namespace balmer {

/// ln x to 2e-16 relative (1e-16 absolute near 1), for normal x > 0. As fdlibm's: x = 2^k m with m
/// around 1, ln m = 2 artanh((m - 1) / (m + 1)) by its series.
constexpr double portable_log(double x) {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    auto exponent = static_cast<std::int64_t>(bits >> 52) - 1023;
    double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFU) | 0x3FF0000000000000U);  // [1, 2)
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent += 1;
    }
    const double s = (m - 1.0) / (m + 1.0);  // within 0.172
    const double square = s * s;
    double series = 0.0;
    for (int n = 23; n >= 3; n -= 2) series = (series + 1.0 / n) * square;
    constexpr double ln_2_high = 0x1.62e42fefa38p-1;  // its product with an exponent is exact
    constexpr double ln_2_low = 0x1.ef35793c7673p-45;
    const auto k = static_cast<double>(exponent);
    return k * ln_2_high + (k * ln_2_low + 2.0 * (s + s * series));
}

/// e^x to 3e-16 relative; 0 below -700 and e^700 above 700.
constexpr double portable_exp(double x) {
    if (!(x > -700.0)) return x < 0.0 ? 0.0 : x;  // NaN stays
    if (x > 700.0) x = 700.0;
    constexpr double ln_2_high = 0x1.62e42fefa38p-1;
    constexpr double ln_2_low = 0x1.ef35793c7673p-45;
    const double scaled = x * 1.4426950408889634;
    const auto exponent = static_cast<std::int64_t>(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
    const auto k = static_cast<double>(exponent);
    const double r = (x - k * ln_2_high) - k * ln_2_low;  // within 0.35
    double sum = 1.0;
    for (int n = 14; n >= 1; --n) sum = 1.0 + sum * r / n;
    const auto power = static_cast<std::uint64_t>(exponent + 1023) << 52;
    return sum * std::bit_cast<double>(power);
}

/// cos(2 pi turns) to 2e-16, for turns in [0, 1].
constexpr double portable_cosine_of_turns(double turns) {
    constexpr double half_pi = 1.5707963267948966;
    const double quarters = turns * 4.0;
    const auto quarter = static_cast<int>(quarters + 0.5);
    const double angle = (quarters - quarter) * half_pi;  // within pi / 4
    const double square = angle * angle;
    const bool is_sine = quarter % 2 != 0;
    double sum = 1.0;
    for (int n = is_sine ? 17 : 16; n >= 2; n -= 2) sum = 1.0 - sum * square / (n * (n - 1));
    const double value = is_sine ? sum * angle : sum;
    return quarter % 4 == 1 || quarter % 4 == 2 ? -value : value;
}

}  // namespace balmer
