#include "train/metrics.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"

namespace balmer::train {
namespace {

using nlohmann::json;

const json& golden() {
    static const json values = json::parse(std::ifstream(BALMER_TEST_DATA "/metrics.json"));
    return values;
}

TEST(Metrics, ClassScoresMatchScikitLearn) {
    for (const json& expected : golden()["classification"]) {
        const auto truth = expected["truth"].get<std::vector<std::int64_t>>();
        const auto prediction = expected["prediction"].get<std::vector<std::int64_t>>();
        const ClassScore score = score_classes(truth, prediction, expected["classes"]);
        EXPECT_EQ(score.count, static_cast<std::int64_t>(truth.size()));
        EXPECT_NEAR(score.accuracy, expected["accuracy"], 1e-14);
        EXPECT_NEAR(score.macro_f1, expected["macro_f1"], 1e-14);
        EXPECT_EQ(json(score.confusion), expected["confusion"]);
        for (std::size_t k = 0; k < score.recall.size(); ++k) {
            const std::string name = std::to_string(k);
            if (expected["recall"].contains(name)) {
                EXPECT_NEAR(score.recall[k], expected["recall"][name], 1e-14);
            } else {
                EXPECT_TRUE(std::isnan(score.recall[k])) << name;
            }
        }
    }
}

TEST(Metrics, RegressionScoresMatchScikitLearnAndTheIntegralOfCrps) {
    for (const json& expected : golden()["regression"]) {
        const auto truth = expected["truth"].get<std::vector<double>>();
        const auto prediction = expected["prediction"].get<std::vector<double>>();
        const RegressionScore score = score_regression(
            truth, prediction,
            expected["redshift"].get<bool>() ? ResidualScale::redshift : ResidualScale::plain);
        const auto expect_close = [&](double got, const char* name) {
            const double want = expected[name];
            EXPECT_NEAR(got, want, 1e-10 * std::abs(want)) << name;
        };
        expect_close(score.r2, "r2");
        expect_close(score.mse, "mse");
        expect_close(score.rmse, "rmse");
        expect_close(score.mae, "mae");
        expect_close(score.bias, "bias");
        expect_close(score.nmad, "nmad");
        const double crps = expected["crps"];
        EXPECT_NEAR(score.crps, crps, 1e-7 * crps);
    }
}

TEST(Metrics, CrpsWithoutWidthIsTheMeanAbsoluteError) {
    const std::vector<double> truth = {1.0, 2.0};
    const std::vector<double> prediction = {1.5, 1.0};
    EXPECT_DOUBLE_EQ(gaussian_crps(truth, prediction, 0.0), 0.75);
    EXPECT_NEAR(gaussian_crps(truth, prediction, 1e-9), 0.75, 1e-8);
}

TEST(Metrics, ScoresOfNothingAreNotNumbers) {
    EXPECT_TRUE(std::isnan(score_classes({}, {}, 3).accuracy));
    EXPECT_TRUE(std::isnan(score_regression({}, {}, ResidualScale::plain).nmad));
    const std::vector<double> constant = {2.0, 2.0};
    EXPECT_TRUE(std::isnan(score_regression(constant, constant, ResidualScale::plain).r2));
    EXPECT_EQ(score_regression(constant, constant, ResidualScale::plain).crps, 0.0);
}

TEST(Metrics, LengthsAndClassesAreChecked) {
    const std::vector<std::int64_t> truth = {0, 1};
    const std::vector<std::int64_t> outside = {0, 2};
    EXPECT_THROW(score_classes(truth, outside, 2), ShapeError);
    EXPECT_THROW(score_classes(truth, std::vector<std::int64_t>{0}, 2), ShapeError);
    EXPECT_THROW(score_regression(std::vector<double>{1.0}, {}, ResidualScale::plain), ShapeError);
}

TEST(Metrics, RedshiftToleranceIsAVelocityOfTheClass) {
    // dv = c dz / (1 + z): 0.01 at z = 2 is 999.3 km/s
    EXPECT_NEAR(velocity_error(2.0, 2.01), 999.308, 1e-3);
    EXPECT_EQ(velocity_tolerance("QSO"), 3000.0);
    EXPECT_EQ(velocity_tolerance("GALAXY"), 1000.0);
    EXPECT_EQ(velocity_tolerance("STAR"), 1000.0);
}

TEST(Metrics, SignalToNoiseBinsCoverTheLine) {
    EXPECT_EQ(snr_bin(-0.1), "negative");
    EXPECT_EQ(snr_bin(0.0), "0-1");
    EXPECT_EQ(snr_bin(1.0), "1-2");
    EXPECT_EQ(snr_bin(4.99), "2-5");
    EXPECT_EQ(snr_bin(5.0), "5-7");
    EXPECT_EQ(snr_bin(49.9), "40-50");
    EXPECT_EQ(snr_bin(1e9), "50+");
    EXPECT_EQ(snr_bin(std::numeric_limits<double>::quiet_NaN()), "unknown");
    EXPECT_EQ(snr_bin_names().size(), 12U);
}

}  // namespace
}  // namespace balmer::train
