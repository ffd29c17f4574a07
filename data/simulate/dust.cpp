#include "data/simulate/dust.h"

#include <algorithm>
#include <cmath>

namespace balmer::data::simulation {

double milky_way_extinction(double wavelength) {
    const double x = 1e4 / wavelength;
    constexpr double rv = 3.1;
    double a = 0.0;
    double b = 0.0;
    if (x < 1.1) {
        a = 0.574 * std::pow(x, 1.61);
        b = -0.527 * std::pow(x, 1.61);
    } else if (x < 3.3) {
        const double y = x - 1.82;
        constexpr double ca[] = {1.0,     0.17699, -0.50447, -0.02427,
                                 0.72085, 0.01979, -0.77530, 0.32999};
        constexpr double cb[] = {0.0,      1.41338,  2.28305, 1.07233,
                                 -5.38434, -0.62251, 5.30260, -2.09002};
        for (int k = 7; k >= 0; --k) {
            a = a * y + ca[k];
            b = b * y + cb[k];
        }
    } else {
        const double y = std::min(x, 10.0);
        const double far = std::max(0.0, y - 5.9);
        const double fa = -0.04473 * far * far - 0.009779 * far * far * far;
        const double fb = 0.2130 * far * far + 0.1207 * far * far * far;
        a = 1.752 - 0.316 * y - 0.104 / ((y - 4.67) * (y - 4.67) + 0.341) + fa;
        b = -3.090 + 1.825 * y + 1.206 / ((y - 4.62) * (y - 4.62) + 0.263) + fb;
    }
    return rv * a + b;
}

double starburst_extinction(double wavelength) {
    const double micron = std::clamp(wavelength, 1200.0, 22000.0) * 1e-4;
    constexpr double rv = 4.05;
    if (micron >= 0.63) return 2.659 * (-1.857 + 1.040 / micron) + rv;
    const double x = 1.0 / micron;
    return 2.659 * (-2.156 + x * (1.509 + x * (-0.198 + x * 0.011))) + rv;
}

double quasar_extinction(double wavelength) {
    return 1.39 * std::pow(std::max(wavelength, 700.0) * 1e-4, -1.2);
}

}  // namespace balmer::data::simulation
