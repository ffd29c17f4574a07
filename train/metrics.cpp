#include "train/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "kernels/core/error.h"

namespace balmer::train {

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double light_speed_km_s = 299792.458;
constexpr std::array<double, 10> edges = {0, 1, 2, 5, 7, 10, 20, 30, 40, 50};

void expect_same_length(std::size_t truth, std::size_t prediction, const char* operation) {
    if (truth != prediction) {
        throw ShapeError(
            fmt::format("{}: {} true values but {} predictions", operation, truth, prediction));
    }
}

double mean_of(std::span<const double> values) {
    double total = 0.0;
    for (const double value : values) total += value;
    return total / static_cast<double>(values.size());
}

}  // namespace

ClassScore score_classes(std::span<const std::int64_t> truth,
                         std::span<const std::int64_t> prediction, std::int64_t classes) {
    expect_same_length(truth.size(), prediction.size(), "score_classes");
    const auto width = static_cast<std::size_t>(classes);
    ClassScore score;
    score.count = static_cast<std::int64_t>(truth.size());
    score.confusion.assign(width, std::vector<std::int64_t>(width, 0));
    for (std::size_t i = 0; i < truth.size(); ++i) {
        for (const std::int64_t value : {truth[i], prediction[i]}) {
            if (value < 0 || value >= classes) {
                throw ShapeError(fmt::format("score_classes: class {} of {}", value, classes));
            }
        }
        ++score.confusion[static_cast<std::size_t>(truth[i])]
                         [static_cast<std::size_t>(prediction[i])];
    }

    std::int64_t hits = 0;
    double f1_total = 0.0;
    std::int64_t f1_classes = 0;
    for (std::size_t k = 0; k < width; ++k) {
        std::int64_t true_count = 0;
        std::int64_t predicted_count = 0;
        for (std::size_t other = 0; other < width; ++other) {
            true_count += score.confusion[k][other];
            predicted_count += score.confusion[other][k];
        }
        const std::int64_t hit = score.confusion[k][k];
        hits += hit;
        score.recall.push_back(true_count == 0
                                   ? not_a_number
                                   : static_cast<double>(hit) / static_cast<double>(true_count));
        if (true_count + predicted_count > 0) {
            f1_total +=
                2.0 * static_cast<double>(hit) / static_cast<double>(true_count + predicted_count);
            ++f1_classes;
        }
    }
    score.accuracy = static_cast<double>(hits) / static_cast<double>(truth.size());
    score.macro_f1 = f1_total / static_cast<double>(f1_classes);
    return score;
}

double median(std::vector<double> values) {
    if (values.empty()) return not_a_number;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    const double upper = *middle;
    if (values.size() % 2 == 1) return upper;
    return 0.5 * (*std::max_element(values.begin(), middle) + upper);
}

double normalised_median_deviation(std::span<const double> values) {
    std::vector<double> deviations(values.begin(), values.end());
    const double centre = median(deviations);
    for (double& value : deviations) value = std::abs(value - centre);
    return 1.4826 * median(std::move(deviations));
}

double gaussian_crps(std::span<const double> truth, std::span<const double> prediction,
                     double sigma) {
    expect_same_length(truth.size(), prediction.size(), "gaussian_crps");
    double total = 0.0;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        const double residual = truth[i] - prediction[i];
        if (sigma <= 0.0) {
            total += std::abs(residual);
            continue;
        }
        const double w = residual / sigma;
        const double density = std::exp(-0.5 * w * w) / std::sqrt(2.0 * std::numbers::pi);
        // 2 Phi(w) - 1 = erf(w / sqrt 2)
        total += sigma *
                 (w * std::erf(w / std::numbers::sqrt2) + 2.0 * density - std::numbers::inv_sqrtpi);
    }
    return total / static_cast<double>(truth.size());
}

RegressionScore score_regression(std::span<const double> truth, std::span<const double> prediction,
                                 ResidualScale scale) {
    expect_same_length(truth.size(), prediction.size(), "score_regression");
    const auto count = static_cast<double>(truth.size());
    RegressionScore score;
    score.count = static_cast<std::int64_t>(truth.size());
    if (truth.empty()) {
        score.r2 = score.mse = score.rmse = score.mae = not_a_number;
        score.bias = score.nmad = score.crps = not_a_number;
        return score;
    }

    const double mean_truth = mean_of(truth);
    double squares = 0.0;
    double absolutes = 0.0;
    double residual_total = 0.0;
    double truth_squares = 0.0;
    std::vector<double> scaled(truth.size());
    for (std::size_t i = 0; i < truth.size(); ++i) {
        const double residual = prediction[i] - truth[i];
        squares += residual * residual;
        absolutes += std::abs(residual);
        residual_total += residual;
        truth_squares += (truth[i] - mean_truth) * (truth[i] - mean_truth);
        scaled[i] = scale == ResidualScale::redshift ? residual / (1.0 + truth[i]) : residual;
    }
    score.mse = squares / count;
    score.rmse = std::sqrt(score.mse);
    score.mae = absolutes / count;
    score.r2 = truth_squares > 0.0 ? 1.0 - squares / truth_squares : not_a_number;
    score.nmad = normalised_median_deviation(scaled);
    score.bias = median(std::move(scaled));
    const double residual_mean = residual_total / count;
    const double variance = std::max(0.0, score.mse - residual_mean * residual_mean);
    score.crps = gaussian_crps(truth, prediction, std::sqrt(variance));
    return score;
}

double velocity_error(double truth, double prediction) {
    return light_speed_km_s * std::abs(prediction - truth) / (1.0 + truth);
}

double velocity_tolerance(const std::string& object_class) {
    return object_class == "QSO" ? 3000.0 : 1000.0;
}

std::span<const double> snr_bin_edges() {
    return edges;
}

std::string snr_bin(double snr) {
    if (std::isnan(snr)) return "unknown";
    if (snr < edges.front()) return "negative";
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
        if (snr < edges[i + 1]) return fmt::format("{}-{}", edges[i], edges[i + 1]);
    }
    return fmt::format("{}+", edges.back());
}

std::vector<std::string> snr_bin_names() {
    std::vector<std::string> names = {"negative"};
    for (const double edge : edges) names.push_back(snr_bin(edge));
    names.emplace_back("unknown");
    return names;
}

}  // namespace balmer::train
