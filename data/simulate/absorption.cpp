#include "data/simulate/absorption.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/simulate/lines.h"
#include "data/simulate/spectral_grid.h"

namespace balmer::data::simulation {
namespace {

constexpr double field_contrast = 1.7;

/// The scale A for which a lognormal optical depth A exp(contrast g) transmits `transmission` on
/// average, by bisection on a Gauss sum; tabulated over the transmission.
class OpticalDepthScale {
  public:
    OpticalDepthScale() {
        for (std::size_t k = 0; k < table_.size(); ++k) {
            const double target = static_cast<double>(k) / static_cast<double>(table_.size());
            double low = -12.0;
            double high = 8.0;
            for (int iteration = 0; iteration < 40; ++iteration) {
                const double middle = 0.5 * (low + high);
                double sum = 0.0;
                double norm = 0.0;
                for (double g = -5.0; g <= 5.0; g += 0.1) {
                    const double weight = std::exp(-0.5 * g * g);
                    sum += weight * std::exp(-std::exp(middle + field_contrast * g));
                    norm += weight;
                }
                (sum / norm > target ? low : high) = middle;
            }
            table_[k] = low;
        }
    }
    double operator()(double transmission) const {
        const double at = std::clamp(transmission, 0.0, 0.985) * static_cast<double>(table_.size());
        const auto k = std::min(static_cast<std::size_t>(at), table_.size() - 2);
        const double fraction = at - static_cast<double>(k);
        return std::exp(table_[k] + fraction * (table_[k + 1] - table_[k]));
    }

  private:
    std::array<double, 100> table_{};
};

/// Multiplies by 1 - depth around a wavelength: a saturating Gaussian of given equivalent width.
void absorb_line(std::vector<double>& flux, double wavelength, double equivalent_width,
                 double sigma_km_s) {
    const double center = observed_grid.position(wavelength);
    const double width = observed_grid.pixel_width(wavelength);
    const double sigma =
        std::max({wavelength * sigma_km_s / speed_of_light, equivalent_width / 2.4, 0.5 * width});
    const double depth = std::min(0.98, equivalent_width / (2.5066 * sigma));
    const auto reach = static_cast<std::int64_t>(5.0 * sigma / width) + 1;
    const auto middle = static_cast<std::int64_t>(std::floor(center));
    for (std::int64_t i = std::max<std::int64_t>(0, middle - reach);
         i < std::min(observed_grid.size, middle + reach + 1); ++i) {
        const double x = (static_cast<double>(i) - center) * width / sigma;
        flux[static_cast<std::size_t>(i)] *= 1.0 - depth * std::exp(-0.5 * x * x);
    }
}

/// A damped system: Lorentzian wings of Lyman-alpha for a column density (log10 cm-2).
void absorb_damped(std::vector<double>& flux, double z, double log_column) {
    const double center = line::lyman_alpha * (1.0 + z);
    for (std::int64_t i = 0; i < observed_grid.size; ++i) {
        const double x = (observed_grid.wavelength(i) - center) / (1.0 + z);
        if (std::abs(x) > 120.0) continue;
        // tau = N 4.26e-20 / x^2 (x in A): damping wing of gamma = 6.265e8 / s, f = 0.4164.
        const double tau = std::pow(10.0, log_column) * 4.26e-20 / (x * x + 0.01);
        flux[static_cast<std::size_t>(i)] *= std::exp(-tau);
    }
}

}  // namespace

double mean_forest_transmission(double z) {
    return std::exp(-0.0018 * std::pow(1.0 + z, 3.92));
}

void absorb_intergalactic(Random& random, std::vector<double>& flux, double z) {
    static const OpticalDepthScale scale;
    if (line::lyman_alpha * (1.0 + z) < observed_grid.wavelength(0)) return;

    // A Gaussian random field with structure on ~100 and ~400 km/s, unit variance.
    const auto field = [&] {
        std::vector<double> fine(flux.size());
        std::vector<double> coarse(flux.size());
        for (std::size_t i = 0; i < fine.size(); ++i) {
            fine[i] = random.normal();
            coarse[i] = random.normal();
        }
        gaussian_smooth(fine, 2.0);
        gaussian_smooth(coarse, 7.0);
        // A Gaussian kernel of s pixels leaves a variance of 1 / (2 s sqrt(pi)).
        const double fine_norm = std::sqrt(2.0 * 2.0 * 1.7725);
        const double coarse_norm = std::sqrt(2.0 * 7.0 * 1.7725);
        for (std::size_t i = 0; i < fine.size(); ++i)
            fine[i] = 0.8 * fine_norm * fine[i] + 0.6 * coarse_norm * coarse[i];
        return fine;
    };
    const std::vector<double> alpha = field();
    const std::vector<double> beta = field();
    constexpr double lyman_beta = 1025.722;
    for (std::int64_t i = 0; i < observed_grid.size; ++i) {
        const double wavelength = observed_grid.wavelength(i);
        const auto k = static_cast<std::size_t>(i);
        const double z_alpha = wavelength / line::lyman_alpha - 1.0;
        if (z_alpha >= z) break;
        flux[k] *= std::exp(-scale(mean_forest_transmission(z_alpha)) *
                            std::exp(field_contrast * alpha[k]));
        const double z_beta = wavelength / lyman_beta - 1.0;
        if (z_beta < z)
            flux[k] *= std::exp(-0.16 * scale(mean_forest_transmission(z_beta)) *
                                std::exp(field_contrast * beta[k]));
    }

    // Lyman limit: walk down in redshift until an optically thick system stops the light.
    double z_limit = z - random.uniform() * 0.02;
    bool found = false;
    for (double at = z; at > 2.6; at -= 0.01) {
        const double per_redshift = 1.9 * std::pow((1.0 + at) / 4.5, 2.0);
        if (random.uniform() < 0.01 * per_redshift) {
            z_limit = at;
            found = true;
            break;
        }
    }
    for (std::int64_t i = 0; i < observed_grid.size; ++i) {
        const double wavelength = observed_grid.wavelength(i);
        const double own = wavelength / (line::lyman_limit * (1.0 + z));
        if (own >= 1.0) break;
        const auto k = static_cast<std::size_t>(i);
        flux[k] *= std::exp(-1.2 * (1.0 - own) * 3.0);
        if (found && wavelength < line::lyman_limit * (1.0 + z_limit)) flux[k] *= 0.02;
    }
    if (random.uniform() < 0.12 && z > 2.0) {
        const double reach = line::lyman_alpha / 1030.0;
        const double low = std::max(1.9, (1.0 + z) / reach - 1.0);
        if (low < z) absorb_damped(flux, random.uniform(low, z), random.uniform(20.3, 21.5));
    }
}

void absorb_metals(Random& random, std::vector<double>& flux, double z) {
    struct Ion {
        double wavelength, share;
    };
    // Strengths relative to the strongest line of a system, typical of strong Mg II absorbers.
    constexpr Ion low[] = {{2796.352, 1.0}, {2803.531, 0.85}, {2600.173, 0.6},  {2586.650, 0.4},
                           {2382.765, 0.6}, {2374.461, 0.3},  {2344.214, 0.45}, {2852.964, 0.2},
                           {1670.787, 0.5}, {1608.451, 0.25}, {1526.707, 0.5},  {1334.532, 0.6},
                           {1302.168, 0.5}, {1260.422, 0.6}};
    constexpr Ion high[] = {{1548.204, 1.0}, {1550.781, 0.7}, {1393.760, 0.6},
                            {1402.773, 0.4}, {1238.821, 0.3}, {1242.804, 0.2}};
    // One quasar in seven shines through much gas.
    const auto systems = random.uniform() < 0.15 ? 4 + random.below(5) : random.below(4);
    for (std::uint64_t s = 0; s < systems; ++s) {
        const double z_abs = random.uniform(0.35, std::max(0.36, z));
        const double width = 0.3 - 0.8 * std::log(1.0 - random.uniform());  // A, rest
        const bool cool = random.uniform() < 0.6;
        if (z_abs >= z) continue;
        const double stretch = 1.0 + z_abs;
        const auto absorb = [&](const Ion& ion) {
            absorb_line(flux, ion.wavelength * stretch, width * ion.share * stretch, 70.0);
        };
        if (cool) std::for_each(std::begin(low), std::end(low), absorb);
        if (!cool || random.uniform() < 0.5)
            std::for_each(std::begin(high), std::end(high), absorb);
    }
}

void absorb_broad(Random& random, std::vector<double>& flux, double z) {
    if (random.uniform() > 0.14) return;
    // Wide troughs far from the line, or narrow ones close to it.
    const bool narrow = random.uniform() < 0.45;
    const double slowest = narrow ? random.uniform(-500.0, 5000.0) : random.uniform(0.0, 10000.0);
    const double fastest =
        slowest + (narrow ? random.uniform(1200.0, 5000.0) : random.uniform(4000.0, 18000.0));
    const double depth = random.uniform(0.4, 0.97);
    const double power = random.uniform(1.0, 4.0);
    struct Trough {
        double wavelength, share;
    };
    const bool low_ionisation = random.uniform() < 0.15;
    const Trough troughs[] = {{1549.06, 1.0},
                              {1396.76, 0.7},
                              {1240.15, 1.0},
                              {1215.67, 0.6},
                              {1033.82, 1.0},
                              {2799.12, low_ionisation ? 0.8 : 0.0},
                              {1857.40, low_ionisation ? 0.6 : 0.0}};
    for (const Trough& trough : troughs) {
        if (trough.share == 0.0) continue;
        for (std::int64_t i = 0; i < observed_grid.size; ++i) {
            const double velocity = speed_of_light * (1.0 - observed_grid.wavelength(i) /
                                                                (trough.wavelength * (1.0 + z)));
            if (velocity < slowest || velocity > fastest) continue;
            const double x = 2.0 * (velocity - slowest) / (fastest - slowest) - 1.0;
            const double shape = 1.0 - std::pow(std::abs(x), power + 1.0);
            flux[static_cast<std::size_t>(i)] *= 1.0 - depth * trough.share * shape;
        }
    }
}

}  // namespace balmer::data::simulation
