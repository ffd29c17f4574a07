#include "train/task.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace balmer::train {
namespace {

data::Labels labelled(const std::string& name, std::optional<double> z = {},
                      std::optional<double> teff = {}, std::optional<std::int64_t> zwarn = {}) {
    data::Labels labels;
    labels.object_class = name;
    labels.z = z;
    labels.teff = teff;
    labels.zwarn = zwarn;
    return labels;
}

/// Rows 0-4 are the training split; 5 has a class that it has not, and a huge z.
const std::vector<data::Labels> all = {labelled("QSO", 1.0),
                                       labelled("STAR", 0.0, 5000.0),
                                       labelled("GALAXY", 3.0, {}, 4),
                                       labelled("", {}, -9999.0),
                                       labelled("STAR", std::nan(""), 7000.0),
                                       labelled("BLAZAR", 4.0, 9000.0)};
const std::vector<std::int64_t> train = {0, 1, 2, 3, 4};

data::Labels label_of(std::int64_t row) {
    return all[static_cast<std::size_t>(row)];
}

TEST(Task, ListsOfTargetsAreParsedAndChecked) {
    EXPECT_EQ(parse_targets("class,z"), (std::vector<std::string>{"class", "z"}));
    EXPECT_THROW(parse_targets(""), UsageError);
    EXPECT_THROW(parse_targets("class,class"), UsageError);
    EXPECT_THROW(parse_targets("class,"), UsageError);
    try {
        parse_targets("tef");
        FAIL() << "accepted";
    } catch (const UsageError& error) {
        EXPECT_NE(std::string(error.what()).find("did you mean 'teff'"), std::string::npos)
            << error.what();
    }
}

TEST(Task, StatisticsComeFromTheTrainingSplitAlone) {
    const auto heads = fit_heads({"class", "z", "teff"}, train, label_of);
    EXPECT_EQ(heads[0].labels, (std::vector<std::string>{"STAR", "GALAXY", "QSO"}));
    // log(1 + z) of rows 0 and 1: row 2 is flagged, 3 and 4 have none.
    EXPECT_EQ(heads[1].transform, "log1p");
    EXPECT_NEAR(heads[1].mean, 0.5 * std::log(2.0), 1e-15);
    EXPECT_NEAR(heads[1].deviation, 0.5 * std::log(2.0), 1e-15);
    EXPECT_EQ(heads[2].mean, 6000.0);
    EXPECT_EQ(heads[2].deviation, 1000.0);
    const auto with_flagged = fit_heads({"z"}, train, label_of, {.use_flagged_redshifts = true});
    EXPECT_NEAR(with_flagged[0].mean, (std::log(2.0) + std::log(4.0)) / 3.0, 1e-15);
}

TEST(Task, Fault28MissingLabelsAreDroppedAndCountedNeverZero) {
    const TargetTable table(fit_heads({"class", "z", "teff"}, train, label_of), 6, label_of);
    EXPECT_EQ(table.class_of(0, 0), 2);
    EXPECT_EQ(table.class_of(0, 3), -1);
    EXPECT_TRUE(std::isnan(table.value_of(1, 3)));
    EXPECT_TRUE(std::isnan(table.value_of(1, 4)));  // NaN in the file
    EXPECT_TRUE(std::isnan(table.value_of(2, 3)));  // -9999
    EXPECT_NEAR(table.value_of(2, 5), 3.0F, 1e-6F);
    EXPECT_FALSE(table.has_any_label(3));
    EXPECT_TRUE(table.has_any_label(4));
    const std::vector<std::int64_t> rows = {0, 1, 2, 3, 4, 5};
    const auto dropped = table.dropped(rows);
    EXPECT_EQ(dropped.at("class missing"), 1);
    EXPECT_EQ(dropped.at("class not a class of the model"), 1);
    EXPECT_EQ(dropped.at("z missing"), 2);
    EXPECT_EQ(dropped.at("z flagged by zwarn"), 1);
    EXPECT_EQ(dropped.at("teff missing"), 3);
}

TEST(Task, Fault29OneClassOrNoLabelIsAnError) {
    const std::vector<std::int64_t> stars = {1, 4};
    EXPECT_THROW(fit_heads({"class"}, stars, label_of), UsageError);
    EXPECT_THROW(fit_heads({"logg"}, train, label_of), UsageError);
    EXPECT_THROW(fit_heads({"class"}, {}, label_of), UsageError);
}

TEST(Task, ConstantLabelsAreNotDividedByZero) {
    const std::vector<std::int64_t> one = {1};
    const auto heads = fit_heads({"teff"}, one, label_of);
    EXPECT_EQ(heads[0].deviation, 1.0);
}

TEST(Task, SubclassesDropTheNameOfTheTemplate) {
    data::Labels labels;
    labels.subclass = "F5 (123456)";
    EXPECT_EQ(class_name("subclass", labels), "F5");
    labels.subclass = "STARFORMING BROADLINE";
    EXPECT_EQ(class_name("subclass", labels), "STARFORMING BROADLINE");
}

TEST(Task, LossIsAveragedOverTheLabelledOfTheWholeBatch) {
    const TargetTable table(fit_heads({"class", "teff"}, train, label_of), 6, label_of);
    const std::vector<std::int64_t> batch = {0, 1, 3, 4};
    EXPECT_EQ(loss_normalisers(table, batch), (std::vector<double>{3.0, 2.0}));
    const std::vector<std::int64_t> none = {3};
    EXPECT_EQ(loss_normalisers(table, none), (std::vector<double>{1.0, 1.0}));
}

TEST(Task, LossWeightsScaleTheirTarget) {
    const TargetTable table(fit_heads({"class", "teff"}, train, label_of), 6, label_of);
    const std::vector<std::int64_t> rows = {1};
    const std::vector<double> normalisers = {1.0, 1.0};
    const std::vector<Tensor> outputs = {Tensor::zeros({1, 3}), Tensor::zeros({1, 1})};
    const auto loss = [&](const std::vector<double>& weights, double delta) {
        return task_loss(table, outputs, rows, normalisers,
                         {.weights = weights, .huber_delta = delta})
            .item();
    };
    EXPECT_NEAR(loss({1.0, 0.0}, 1.0), std::log(3.0), 1e-6);
    EXPECT_NEAR(loss({0.0, 1.0}, 1.0), 1.0, 1e-6);  // 5000 K is one deviation below the mean
    EXPECT_NEAR(loss({2.0, 3.0}, 1.0), 2.0 * std::log(3.0) + 3.0, 1e-5);
    EXPECT_NEAR(loss({}, 0.5), std::log(3.0) + 0.5 * (2.0 - 0.5), 1e-6);
}

TEST(Task, AStretchedSpectrumHasTheRedshiftOfItsWavelengths) {
    const auto heads = fit_heads({"z", "teff"}, train, label_of);
    const TargetTable table(heads, 6, label_of);
    const double stretch = std::log(1.01);
    const auto z = [&](std::int64_t row, double by) {
        return vit::target_value(heads[0], table.value_of(0, row, by));
    };
    EXPECT_NEAR(z(0, stretch), 2.0 * 1.01 - 1.0, 1e-6);  // a quasar of z = 1
    EXPECT_NEAR(z(1, stretch), 0.01, 1e-6);              // a star at rest
    EXPECT_EQ(table.value_of(0, 0, 0.0), table.value_of(0, 0));
    EXPECT_TRUE(std::isnan(table.value_of(0, 3, stretch)));
    EXPECT_EQ(table.value_of(1, 1, stretch), table.value_of(1, 1));  // Teff stays
}

}  // namespace
}  // namespace balmer::train
