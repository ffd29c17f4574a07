#pragma once
// Where the slots of an interpolated map lie in wavelength, on every device.

#include <cstdint>

namespace balmer::render {

/// numpy's linspace(first, last, count), operation by operation; count >= 2.
struct EvenSpacing {
    double first;
    double last;
    std::int64_t count;

    constexpr double at(std::int64_t i) const {
        const double step = (last - first) / static_cast<double>(count - 1);
        return i == count - 1 ? last : static_cast<double>(i) * step + first;
    }
};

}  // namespace balmer::render
