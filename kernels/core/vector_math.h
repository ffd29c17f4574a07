#pragma once
// Elementary functions of f32 without branches, calls or tables, so that compilers turn loops over
// them into vector code; every device computes the same bits from them.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace balmer {

/// a b + c, rounded once where that is one instruction.
inline float multiply_add(float a, float b, float c) {
#ifdef FP_FAST_FMAF
    return std::fma(a, b, c);
#else
    return a * b + c;
#endif
}

/// exp(high + low) for a |low| below 0.06 that `high` has no bits for. Error below 2 ulp down to
/// 1.8e-38, 0 below that, infinity above the largest f32, NaN for NaN.
/// exp(x) = 2^n e^r with n the integer next to x / ln 2 and |r| <= 0.41; the polynomial's relative
/// error is 1e-8 (least squares, reweighted to the minimax).
inline float exponential(float high, float low = 0.0F) {
    constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
    constexpr std::int32_t to_integer_bits = 0x4B400000;
    constexpr float log2_e = 1.44269504F;
    constexpr float ln2_high = 0.693359375F;  // few bits: n * ln2_high is exact
    constexpr float ln2_low = -2.12194440e-4F;
    const float x = std::min(std::max(high, -104.0F), 89.0F);  // in this order NaN stays NaN
    const float shifted = multiply_add(x, log2_e, to_integer);
    const float n = shifted - to_integer;
    const float r = multiply_add(n, -ln2_low, multiply_add(n, -ln2_high, x)) + low;
    float q = 1.378558746e-03F;
    q = multiply_add(q, r, 8.382788367e-03F);
    q = multiply_add(q, r, 4.167002070e-02F);
    q = multiply_add(q, r, 1.666638181e-01F);
    q = multiply_add(q, r, 4.999998214e-01F);
    const float power = multiply_add(q, r * r, r) + 1.0F;
    // 2^(n - 1), then twice: 2^128 itself is not an f32.
    const std::int32_t exponent = std::bit_cast<std::int32_t>(shifted) - to_integer_bits + 126;
    const auto bits = static_cast<std::uint32_t>(std::max(exponent, std::int32_t{0})) << 23;
    return power * std::bit_cast<float>(bits) * 2.0F;
}

inline double exponential(double x) {
    return std::exp(x);
}

/// The Gaussian distribution function Phi(x) and its density phi(x).
template <class Value>
struct Gaussian {
    Value distribution;
    Value density;
};

/// Both of x within 4 ulp, in the tails too: Phi(-z) = phi(z) M(z), with Mills' ratio M(z) times
/// (z + 3.75) as a polynomial in t = (z - 3.75) / (z + 3.75) (relative error 1.5e-8 on [0, 15],
/// least squares, reweighted to the minimax), and z^2 split so that its exponential loses nothing.
inline Gaussian<float> gaussian(float x) {
    constexpr float centre = 3.75F;
    constexpr float inverse_root_2_pi = 0.398942280F;
    const float z = std::min(std::abs(x), 14.5F);
    const float coarse = std::bit_cast<float>(std::bit_cast<std::uint32_t>(z) & 0xFFFFF000U);
    const float power =
        exponential(-0.5F * (coarse * coarse), -0.5F * ((z - coarse) * (z + coarse)));
    const float u = 1.0F / (z + centre);
    const float t = (z - centre) * u;
    float p = 4.434624985e-04F;
    p = multiply_add(p, t, 5.096495231e-04F);
    p = multiply_add(p, t, -4.169019978e-03F);
    p = multiply_add(p, t, 1.200057954e-03F);
    p = multiply_add(p, t, 3.749250314e-02F);
    p = multiply_add(p, t, -1.515208322e-01F);
    p = multiply_add(p, t, 3.529396049e-01F);
    p = multiply_add(p, t, -5.881882778e-01F);
    p = multiply_add(p, t, 7.502940742e-01F);
    const float tail = power * (u * p);
    return {x < 0.0F ? tail : 1.0F - tail, power * inverse_root_2_pi};
}

inline Gaussian<double> gaussian(double x) {
    constexpr double root_half = 0.70710678118654752440;
    constexpr double inverse_root_2_pi = 0.39894228040143267794;
    return {0.5 * std::erfc(-x * root_half), inverse_root_2_pi * std::exp(-0.5 * x * x)};
}

}  // namespace balmer
