#pragma once
// Order statistics on the host; device_quantile.cuh finds the same on the device.

#include <algorithm>
#include <cstddef>
#include <vector>

namespace balmer::render {

/// The q-th quantile (0..1) of `values`, which it reorders: the member of rank trunc(q (n - 1)); 0
/// if there are none.
inline double quantile(std::vector<float>& values, double q) {
    if (values.empty()) return 0.0;
    const auto at =
        values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

}  // namespace balmer::render
