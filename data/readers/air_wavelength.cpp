#include "data/readers/air_wavelength.h"

namespace balmer::data {
namespace {

constexpr double shortest_air_wavelength = 2000.0;

/// Morton's refractive index n at a vacuum wavelength (A): with s = 10^4 / lambda,
/// n = 1 + 8.34254e-5 + 2.406147e-2 / (130 - s^2) + 1.5998e-4 / (38.9 - s^2).
double refractive_index(double vacuum) {
    const double wave_number = 1e4 / vacuum;
    const double squared = wave_number * wave_number;
    return 1.0 + 8.34254e-5 + 2.406147e-2 / (130.0 - squared) + 1.5998e-4 / (38.9 - squared);
}

}  // namespace

double vacuum_to_air(double vacuum) {
    return vacuum < shortest_air_wavelength ? vacuum : vacuum / refractive_index(vacuum);
}

double air_to_vacuum(double air) {
    if (!(air >= shortest_air_wavelength)) return air;
    // The index hardly depends on the wavelength: an error shrinks 10^4-fold or more in each step.
    double vacuum = air;
    for (int step = 0; step < 5; ++step) vacuum = air * refractive_index(vacuum);
    return vacuum;
}

}  // namespace balmer::data
