#pragma once
// The arithmetic of regions of interest that every device shares, operation by operation, so that
// all choose the same regions: only + - * / in f64, sums in a stated order.

#include <cstdint>
#include <limits>

namespace balmer::render::regions {

inline constexpr std::int64_t smooth_reach = 12;   // a window of 25 values
inline constexpr std::int64_t median_window = 50;  // of value i: i - 25 to i + 24, as pandas
inline constexpr std::int64_t median_before = 25;  // of them, those before i
inline constexpr double least_deviation = 1.5;     // |s - m| of a region exceeds it
inline constexpr std::int64_t most_regions = 50;   // that are shown
inline constexpr std::uint8_t region_level = 50;   // in the green channel
inline constexpr int partial_sums = 32;            // of a width

/// What stands for s where it is undefined: it sorts behind every number.
inline constexpr double undefined = std::numeric_limits<double>::infinity();

constexpr bool is_number(double x) {
    return x <= 1.7976931348623157e308 && x >= -1.7976931348623157e308;
}

/// What stands for a filtered value: a negative zero becomes zero, so that medians of equal numbers
/// have equal bits.
constexpr double number_or_undefined(double x) {
    return is_number(x) ? x + 0.0 : undefined;
}

/// As `smoothed` for a value that has smooth_reach values at either side.
constexpr double smoothed_inside(const double* value) {
    double sum = 467.0 * value[0];
    for (std::int64_t k = smooth_reach; k > 0; --k) {
        sum = sum + static_cast<double>(467 - 5 * k * k) * (value[-k] + value[k]);
    }
    return number_or_undefined(sum / 5175.0);
}

/// The Savitzky-Golay filter of order 3 (Analytical Chemistry 36, 1627, 1964) for value i of n >=
/// 25, NaN where they are bad: the least-squares cubic through the 25 values around i, at
/// either end through the first or last 25 (scipy's mode "interp"), at i. `undefined` where one of
/// the 25 is bad.
///
/// Inside, the cubic at its centre has the weights (467 - 5 k^2) / 5175, added from the outermost
/// pair inwards, as scipy's convolve1d does; scipy's weights come from a least-squares solver that
/// is exact to 4e-16. At the ends the cubic is a sum of the polynomials that are orthogonal on -12
/// to 12: 1, t, t^2 - 52, 5 t^3 - 467 t.
constexpr double smoothed(const double* flux, std::int64_t i, std::int64_t n) {
    if (i >= smooth_reach && i < n - smooth_reach) return smoothed_inside(flux + i);
    const std::int64_t centre = i < smooth_reach ? smooth_reach : n - 1 - smooth_reach;
    double moments[4] = {};
    for (std::int64_t k = -smooth_reach; k <= smooth_reach; ++k) {
        const double value = flux[centre + k];
        moments[0] = moments[0] + value;
        moments[1] = moments[1] + static_cast<double>(k) * value;
        moments[2] = moments[2] + static_cast<double>(k * k - 52) * value;
        moments[3] = moments[3] + static_cast<double>(5 * k * k * k - 467 * k) * value;
    }
    const std::int64_t t = i - centre;
    return number_or_undefined(moments[0] / 25.0 + static_cast<double>(t) * moments[1] / 1300.0 +
                               static_cast<double>(t * t - 52) * moments[2] / 53820.0 +
                               static_cast<double>(5 * t * t * t - 467 * t) * moments[3] /
                                   53281800.0);
}

/// From the two numbers in the middle of a sorted window and its last one: NaN where a value of the
/// window is undefined.
constexpr double median_of(double lower, double upper, double last) {
    return last < undefined ? (lower + upper) / 2.0 : std::numeric_limits<double>::quiet_NaN();
}

/// (s - m) / m inside a region, 0 outside; never 0 inside.
constexpr double contrast_of(double smooth, double median) {
    const double deviation = smooth - median;
    const bool is_region = deviation > least_deviation || deviation < -least_deviation;
    return is_region && is_number(median) ? deviation / median : 0.0;
}

/// The trapezoid between two neighbours.
constexpr double trapezoid(double x0, double x1, double y0, double y1) {
    return (x1 - x0) * (y1 + y0) / 2.0;
}

/// The size of an equivalent width; 0 for NaN (infinite contrasts of both signs, wavelengths that
/// are no numbers).
constexpr double size_of_width(double width) {
    return width > 0 ? width : width < 0 ? -width : 0.0;
}

}  // namespace balmer::render::regions
