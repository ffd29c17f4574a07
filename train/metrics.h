#pragma once
// The figures an evaluation reports. Pure functions of truth and prediction; docs and formulas:
// Strano Moraes et al. 2026 (arXiv:2506.00294) for the list, the comments below for definitions.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace balmer::train {

/// Scores of a classification. A class is a number in [0, K).
struct ClassScore {
    std::int64_t count = 0;
    double accuracy = 0.0;
    /// Mean F1 over the classes that occur in truth or prediction (scikit-learn's default).
    double macro_f1 = 0.0;
    std::vector<double> recall;                        ///< [K]; NaN for a class without truth
    std::vector<std::vector<std::int64_t>> confusion;  ///< [K][K]: rows truth, columns prediction
};

/// ShapeError if the lengths differ or a class is outside [0, classes). No rows: all NaN.
ClassScore score_classes(std::span<const std::int64_t> truth,
                         std::span<const std::int64_t> prediction, std::int64_t classes);

/// Scores of a regression, in the target's own unit.
struct RegressionScore {
    std::int64_t count = 0;
    double r2 = 0.0;  ///< 1 - sum (p - t)^2 / sum (t - mean t)^2; NaN for a constant truth
    double mse = 0.0;
    double rmse = 0.0;
    double mae = 0.0;
    double bias = 0.0;  ///< median of x, see nmad
    double nmad = 0.0;  ///< 1.4826 median |x - median x|
    double crps = 0.0;  ///< Gaussian of the residuals' standard deviation around each prediction
};

/// How the residual x of bias and NMAD is made: p - t, or (p - t) / (1 + t) for redshifts.
enum class ResidualScale : std::uint8_t { plain, redshift };

/// ShapeError if the lengths differ. No rows: all NaN.
RegressionScore score_regression(std::span<const double> truth, std::span<const double> prediction,
                                 ResidualScale scale);

/// Continuous ranked probability score of Gaussians N(prediction, sigma), averaged (Gneiting et al.
/// 2005, eq. 5): sigma (w (2 Phi(w) - 1) + 2 phi(w) - 1 / sqrt pi), w = (t - p) / sigma. For
/// sigma = 0 the mean absolute error, which is its limit.
double gaussian_crps(std::span<const double> truth, std::span<const double> prediction,
                     double sigma);

/// Median; the mean of the middle two for an even number; NaN for none.
double median(std::vector<double> values);

/// 1.4826 median |x - median x|: the standard deviation for a Gaussian, deaf to outliers.
double normalised_median_deviation(std::span<const double> values);

/// c |z - z_true| / (1 + z_true), km/s.
double velocity_error(double truth, double prediction);

/// Redshift errors below this are not catastrophic: 3000 km/s for "QSO", 1000 km/s for the others.
double velocity_tolerance(const std::string& object_class);

/// The signal-to-noise bins of the paper: [0, 1), [1, 2), [2, 5), ... [50, inf).
std::span<const double> snr_bin_edges();
/// "0-1", ..., "50+"; "negative" below 0, "unknown" for NaN.
std::string snr_bin(double snr);
/// Every bin's name, in order.
std::vector<std::string> snr_bin_names();

}  // namespace balmer::train
