#pragma once
// Wavelength grids of the simulator and the few things that are done on them.

#include <cmath>
#include <cstdint>
#include <vector>

namespace balmer::data::simulation {

/// Pixels evenly spaced in log10(vacuum wavelength / A).
struct LogGrid {
    double start;  ///< log10 of the first pixel's wavelength
    double step;   ///< dex a pixel
    std::int64_t size;

    double wavelength(std::int64_t i) const {
        return std::pow(10.0, start + step * static_cast<double>(i));
    }
    /// Fractional pixel of a wavelength (A).
    double position(double wavelength) const { return (std::log10(wavelength) - start) / step; }
    /// Width (A) of the pixel at a wavelength.
    double pixel_width(double wavelength) const { return wavelength * step * std::log(10.0); }
};

/// What reaches the telescope, before any instrument: twice as fine as the surveys' pixels
/// (34.5 km/s), 3467-10737 A.
inline constexpr LogGrid observed_grid{3.54, 5e-5, 9820};

/// Rest frame of stellar populations: the same pixels down to 1585 A.
inline constexpr LogGrid rest_grid{3.20, 5e-5, 16620};

/// Rest frame of single stars: the observed grid with room for +-1000 km/s.
inline constexpr LogGrid star_grid{3.538, 5e-5, 9900};

/// Speed of light, km/s.
inline constexpr double speed_of_light = 299792.458;

/// Vacuum wavelength (A) of an air wavelength (A); Morton 2000, ApJS 130, 403, eq. 8 (inverse as in
/// Piskunov's VALD formula). Below 2000 A nothing changes.
double air_to_vacuum(double air);

/// Convolves with a Gaussian of `sigma` pixels (constant), in place; ends repeat the edge pixel.
void gaussian_smooth(std::vector<double>& values, double sigma);

/// Flux density of a source redshifted by z and Gaussian-broadened by `sigma_km_s`, on the observed
/// grid. `values` lie on `grid` (rest frame); (1 + z) dimming is left out.
std::vector<double> redshift_to_observed(const std::vector<double>& values, const LogGrid& grid,
                                         double z, double sigma_km_s);

}  // namespace balmer::data::simulation
