#include "data/simulate/spectral_grid.h"

#include <algorithm>

namespace balmer::data::simulation {

double air_to_vacuum(double air) {
    if (air < 2000.0) return air;
    const double s = 1e4 / air;
    const double s2 = s * s;
    const double n = 1.0 + 8.336624212083e-5 + 2.408926869968e-2 / (130.1065924522 - s2) +
                     1.599740894897e-4 / (38.92568793293 - s2);
    return air * n;
}

void gaussian_smooth(std::vector<double>& values, double sigma) {
    if (sigma < 0.05 || values.empty()) return;
    const auto reach = static_cast<std::int64_t>(std::ceil(4.0 * sigma));
    std::vector<double> kernel(static_cast<std::size_t>(2 * reach + 1));
    double sum = 0.0;
    for (std::int64_t k = -reach; k <= reach; ++k) {
        const double x = static_cast<double>(k) / sigma;
        sum += kernel[static_cast<std::size_t>(k + reach)] = std::exp(-0.5 * x * x);
    }
    for (double& weight : kernel) weight /= sum;
    const auto n = static_cast<std::int64_t>(values.size());
    std::vector<double> padded(static_cast<std::size_t>(n + 2 * reach));
    for (std::int64_t i = 0; i < n + 2 * reach; ++i)
        padded[static_cast<std::size_t>(i)] =
            values[static_cast<std::size_t>(std::clamp<std::int64_t>(i - reach, 0, n - 1))];
    std::fill(values.begin(), values.end(), 0.0);
    // Tap by tap, so that the inner loop runs over pixels and vectorises.
    for (std::size_t k = 0; k < kernel.size(); ++k) {
        const double weight = kernel[k];
        const double* source = padded.data() + k;
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += weight * source[i];
    }
}

std::vector<double> redshift_to_observed(const std::vector<double>& values, const LogGrid& grid,
                                         double z, double sigma_km_s) {
    const double shift =
        (observed_grid.start - std::log10(1.0 + z) - grid.start) / observed_grid.step;
    const auto last = static_cast<double>(grid.size - 1);
    std::vector<double> observed(static_cast<std::size_t>(observed_grid.size));
    for (std::int64_t i = 0; i < observed_grid.size; ++i) {
        const double x = std::clamp(static_cast<double>(i) + shift, 0.0, last - 1e-9);
        const auto left = static_cast<std::size_t>(x);
        const double fraction = x - static_cast<double>(left);
        observed[static_cast<std::size_t>(i)] =
            (1.0 - fraction) * values[left] + fraction * values[left + 1];
    }
    const double pixel_km_s = speed_of_light * observed_grid.step * std::log(10.0);
    gaussian_smooth(observed, sigma_km_s / pixel_km_s);
    return observed;
}

}  // namespace balmer::data::simulation
