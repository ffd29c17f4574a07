#pragma once
// From data to pixels of the image, operation by operation as matplotlib 3.9 gets there
// (Axes.autoscale_view, transforms.nonsingular, BboxTransformFrom, BboxTransformTo, the flip of y
// in its Agg renderer). The axes fill the figure.

#include <cstdint>
#include <limits>

namespace balmer::render::line_plot {

/// Of the image, in pixels; y grows downwards. `Real`: double, or several at a time.
template <class Real>
struct PointOf {
    Real x;
    Real y;

    constexpr bool operator==(const PointOf&) const = default;
};
using Point = PointOf<double>;

/// Neither NaN nor infinite.
constexpr bool is_real(double x) {
    return x <= std::numeric_limits<double>::max() && x >= -std::numeric_limits<double>::max();
}

/// The pixels [begin, end) that one line joins.
struct Part {
    std::int64_t begin;
    std::int64_t end;

    constexpr std::int64_t pixels() const { return end - begin; }
};

/// Part `index` of numpy.array_split(arange(pixels), count).
constexpr Part split(std::int64_t pixels, int count, int index) {
    const std::int64_t base = pixels / count;
    const std::int64_t longer = pixels % count;
    const auto start = [&](std::int64_t i) { return i * base + (i < longer ? i : longer); };
    return {start(index), start(index + 1)};
}

/// A range of data values; empty at first.
struct Limits {
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();

    constexpr void include(double value) {
        low = value < low ? value : low;
        high = value > high ? value : high;
    }

    /// matplotlib.transforms.nonsingular.
    constexpr void make_nonsingular(double expander, double tiny) {
        if (!is_real(low) || !is_real(high)) {
            low = -expander;
            high = expander;
            return;
        }
        const double low_size = low < 0 ? -low : low;
        const double high_size = high < 0 ? -high : high;
        const double largest = low_size < high_size ? high_size : low_size;
        if (largest < 1e6 / tiny * std::numeric_limits<double>::min()) {
            low = -expander;
            high = expander;
        } else if (high - low <= largest * tiny) {
            low -= expander * low_size;
            high += expander * high_size;
        }
    }

    /// From the data's range to the axis's: Axes.autoscale_view with its margin of 5 %.
    constexpr void autoscale() {
        make_nonsingular(0.05, 1e-15);
        double margin = (high - low) * 0.05;
        if (!is_real(margin)) margin = 0;
        low -= margin;
        high += margin;
        make_nonsingular(1e-12, 1e-13);
        make_nonsingular(0.05, 1e-15);
    }
};

/// value * scale + offset.
struct Axis {
    double scale = 1;
    double offset = 0;

    constexpr double operator()(double value) const { return value * scale + offset; }
};

/// For values from left to right of a figure `width` pixels wide.
constexpr Axis axis_of(Limits limits, double width) {
    limits.autoscale();
    const double unit = 1.0 / (limits.high - limits.low);
    return {width * unit, width * (-limits.low * unit)};
}

constexpr Axis horizontal_axis(const Limits& limits, int image_size) {
    return axis_of(limits, image_size / 100.0 * 100.0);  // inches times dots per inch, rounded
}

constexpr Axis vertical_axis(const Limits& limits, int image_size) {
    const Axis upwards = axis_of(limits, image_size);
    return {-upwards.scale, image_size - upwards.offset};
}

/// x of the pixels of one part: the wavelength or the index, rescaled to 0..1 from the part's first
/// to its last pixel where `is_rescaled`.
struct PartAbscissa {
    const double* wavelength = nullptr;  // null: the index
    bool is_rescaled = false;
    double first = 0;
    double range = 1;

    constexpr PartAbscissa(const double* wavelength, const Part& part, bool is_rescaled)
        : wavelength(wavelength), is_rescaled(is_rescaled) {
        if (!is_rescaled || part.pixels() == 0) return;
        first = plain(part.begin);
        range = plain(part.end - 1) - first;
    }

    constexpr double plain(std::int64_t i) const {
        return wavelength != nullptr ? wavelength[i] : static_cast<double>(i);
    }
    /// NaN in a rescaled part of one pixel.
    constexpr double operator()(std::int64_t i) const {
        return is_rescaled ? (plain(i) - first) / range : plain(i);
    }
};

/// Lines of so many vertices at most that are made of horizontal and vertical segments alone go
/// through the centres of image pixels.
inline constexpr std::int64_t most_snapped_pixels = 1024;

/// Whether matplotlib's PathSnapper calls a segment horizontal or vertical.
constexpr bool is_rectilinear(Point a, Point b) {
    const double dx = a.x < b.x ? b.x - a.x : a.x - b.x;
    const double dy = a.y < b.y ? b.y - a.y : a.y - b.y;
    return dx < 1e-4 || dy < 1e-4;
}

/// The nearest centre of an image pixel by PathSnapper, whose rounding goes up; 0 <= value.
constexpr double snapped(double value) {
    const double raised = value + 0.5;
    return static_cast<double>(static_cast<std::int64_t>(raised)) + 0.5;
}

}  // namespace balmer::render::line_plot
