#include "train/evaluation.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "train/metrics.h"

namespace balmer::train {

namespace {

using json = nlohmann::ordered_json;
using Rows = std::vector<const PredictionRow*>;

/// NaN has no place in JSON: null.
json number(double value) {
    return std::isfinite(value) ? json(value) : json(nullptr);
}

/// Rows by a name of theirs.
template <class Name>
std::map<std::string, Rows> grouped(const Rows& rows, const Name& name) {
    std::map<std::string, Rows> groups;
    for (const PredictionRow* row : rows) groups[name(*row)].push_back(row);
    return groups;
}

std::string class_or_unknown(const PredictionRow& row) {
    return row.truth.object_class.empty() ? "unknown" : row.truth.object_class;
}

std::string survey_or_unknown(const PredictionRow& row) {
    return row.survey.empty() ? "unknown" : row.survey;
}

/// `value(rows)` for every S/N bin that has rows, in the bins' order.
template <class Value>
json per_snr(const Rows& rows, const Value& value) {
    const auto bins = grouped(rows, [](const PredictionRow& row) { return snr_bin(row.snr); });
    json result = json::object();
    for (const std::string& bin : snr_bin_names()) {
        const auto found = bins.find(bin);
        if (found != bins.end()) result[bin] = value(found->second);
    }
    return result;
}

struct ClassPairs {
    std::vector<std::int64_t> truth;
    std::vector<std::int64_t> prediction;
};

/// The number of the row's true label; -1 if missing or unknown to the head.
std::int64_t true_class(const Head& head, const PredictionRow& row) {
    const auto found =
        std::find(head.labels.begin(), head.labels.end(), class_name(head.target, row.truth));
    return found == head.labels.end() ? -1 : found - head.labels.begin();
}

ClassPairs class_pairs(const Head& head, std::size_t h, const Rows& rows) {
    ClassPairs pairs;
    for (const PredictionRow* row : rows) {
        pairs.truth.push_back(true_class(head, *row));
        pairs.prediction.push_back(static_cast<std::int64_t>(most_probable(row->outputs[h])));
    }
    return pairs;
}

json class_figures(const Head& head, std::size_t h, const Rows& rows) {
    const ClassPairs pairs = class_pairs(head, h, rows);
    const auto classes = static_cast<std::int64_t>(head.labels.size());
    const ClassScore score = score_classes(pairs.truth, pairs.prediction, classes);
    json recall = json::object();
    json confusion = json::object();
    for (std::size_t k = 0; k < head.labels.size(); ++k) {
        recall[head.labels[k]] = number(score.recall[k]);
        for (std::size_t p = 0; p < head.labels.size(); ++p) {
            confusion[head.labels[k]][head.labels[p]] = score.confusion[k][p];
        }
    }
    return {{"count", score.count},
            {"accuracy", number(score.accuracy)},
            {"macro_f1", number(score.macro_f1)},
            {"recall", recall},
            {"confusion", confusion},
            {"accuracy_per_snr", per_snr(rows, [&](const Rows& members) {
                 const ClassPairs own = class_pairs(head, h, members);
                 return number(score_classes(own.truth, own.prediction, classes).accuracy);
             })}};
}

struct ValuePairs {
    std::vector<double> truth;
    std::vector<double> prediction;
};

RegressionScore regression_score(const Head& head, std::size_t h, const Rows& rows) {
    ValuePairs pairs;
    for (const PredictionRow* row : rows) {
        pairs.truth.push_back(label_value(head.target, row->truth));
        pairs.prediction.push_back(row->outputs[h][0]);
    }
    return score_regression(pairs.truth, pairs.prediction,
                            head.target == "z" ? ResidualScale::redshift : ResidualScale::plain);
}

json to_json(const RegressionScore& score) {
    return {{"count", score.count},       {"r2", number(score.r2)},    {"mse", number(score.mse)},
            {"rmse", number(score.rmse)}, {"mae", number(score.mae)},  {"bias", number(score.bias)},
            {"nmad", number(score.nmad)}, {"crps", number(score.crps)}};
}

json non_catastrophic_share(std::size_t h, const Rows& rows) {
    const auto good = std::count_if(rows.begin(), rows.end(), [&](const PredictionRow* row) {
        return velocity_error(*row->truth.z, row->outputs[h][0]) <
               velocity_tolerance(row->truth.object_class);
    });
    return number(static_cast<double>(good) / static_cast<double>(rows.size()));
}

json regression_figures(const Head& head, std::size_t h, const Rows& rows) {
    json figures = to_json(regression_score(head, h, rows));
    const auto classes = grouped(rows, class_or_unknown);
    json per_class = json::object();
    for (const auto& [name, members] : classes) {
        per_class[name] = to_json(regression_score(head, h, members));
    }
    figures["per_class"] = per_class;
    figures["per_snr"] = per_snr(
        rows, [&](const Rows& members) { return to_json(regression_score(head, h, members)); });
    if (head.target == "z") {
        json shares = json::object();
        for (const auto& [name, members] : classes) {
            shares[name] = non_catastrophic_share(h, members);
        }
        figures["non_catastrophic"] = {{"all", non_catastrophic_share(h, rows)},
                                       {"per_class", shares},
                                       {"per_snr", per_snr(rows, [&](const Rows& members) {
                                            return non_catastrophic_share(h, members);
                                        })}};
    }
    return figures;
}

bool is_flagged_redshift(const Head& head, const PredictionRow& row, const LabelOptions& options) {
    return head.target == "z" && !options.use_flagged_redshifts && row.truth.zwarn.value_or(0) != 0;
}

/// The rows of `rows` that head h can be scored on; the others are counted by reason.
struct Scored {
    Rows rows;
    Rows with_flagged;  ///< and those whose true redshift is flagged
    std::map<std::string, std::int64_t> dropped;
};

Scored scored_rows(const Head& head, const Rows& rows, const LabelOptions& options) {
    Scored scored;
    for (const PredictionRow* row : rows) {
        const bool has_label = head.is_classification()
                                   ? true_class(head, *row) >= 0
                                   : !std::isnan(label_value(head.target, row->truth));
        if (!has_label) {
            const bool is_named =
                head.is_classification() && !class_name(head.target, row->truth).empty();
            ++scored.dropped[head.target + (is_named ? " not a class of the model" : " missing")];
            continue;
        }
        scored.with_flagged.push_back(row);
        if (is_flagged_redshift(head, *row, options)) {
            ++scored.dropped[head.target + " flagged by zwarn"];
        } else {
            scored.rows.push_back(row);
        }
    }
    return scored;
}

/// Everything but `per_survey` and `dropped`, for the predicted rows of one survey or of all.
json figures_of(const PredictionTable& table, const Rows& rows, const LabelOptions& options) {
    json figures = {{"count", rows.size()}};
    bool has_classes = false;
    for (std::size_t h = 0; h < table.heads.size(); ++h) {
        const Head& head = table.heads[h];
        const Scored scored = scored_rows(head, rows, options);
        if (!head.is_classification()) {
            figures[head.target] = regression_figures(head, h, scored.rows);
            if (scored.rows.size() < scored.with_flagged.size()) {
                json flagged = regression_figures(head, h, scored.with_flagged);
                figures[head.target]["with_flagged"] = flagged;
            }
            continue;
        }
        json scores = class_figures(head, h, scored.rows);
        if (!has_classes) {
            const json count = figures["count"];
            figures.update(scores);
            figures["count"] = count;
        }
        if (has_classes || head.target != "class") figures[head.target] = scores;
        has_classes = true;
    }
    return figures;
}

}  // namespace

Evaluation evaluate(const PredictionTable& table, const LabelOptions& options) {
    Rows rows;
    std::map<std::string, std::int64_t> dropped;
    for (const PredictionRow& row : table.rows) {
        if (row.is_predicted()) {
            rows.push_back(&row);
        } else {
            ++dropped[row.status];
        }
    }

    json figures = figures_of(table, rows, options);
    json surveys = json::object();
    for (const auto& [survey, members] : grouped(rows, survey_or_unknown)) {
        surveys[survey] = figures_of(table, members, options);
    }
    figures["per_survey"] = surveys;

    Evaluation evaluation;
    double total = 0.0;
    int scored_heads = 0;
    for (std::size_t h = 0; h < table.heads.size(); ++h) {
        const Head& head = table.heads[h];
        const Scored scored = scored_rows(head, rows, options);
        for (const auto& [reason, count] : scored.dropped) dropped[reason] += count;
        const std::string prefix = head.target == "class" ? "" : head.target + "_";
        if (scored.rows.empty()) continue;
        double score = 0.0;
        if (head.is_classification()) {
            const ClassPairs pairs = class_pairs(head, h, scored.rows);
            const ClassScore scores = score_classes(pairs.truth, pairs.prediction,
                                                    static_cast<std::int64_t>(head.labels.size()));
            evaluation.summary[prefix + "accuracy"] = scores.accuracy;
            evaluation.summary[prefix + "macro_f1"] = scores.macro_f1;
            score = scores.accuracy;
        } else {
            const RegressionScore scores = regression_score(head, h, scored.rows);
            evaluation.summary[prefix + "r2"] = scores.r2;
            evaluation.summary[prefix + "rmse"] = scores.rmse;
            evaluation.summary[prefix + "nmad"] = scores.nmad;
            evaluation.nmad[head.target] = scores.nmad;
            if (head.target == "z") {
                evaluation.summary["z_non_catastrophic"] =
                    non_catastrophic_share(h, scored.rows).get<double>();
            }
            score = std::max(-1.0, std::isnan(scores.r2) ? -1.0 : scores.r2);
        }
        total += score;
        ++scored_heads;
    }
    evaluation.score = total / scored_heads;
    figures["dropped"] = dropped;
    evaluation.json = figures.dump(2) + "\n";
    return evaluation;
}

}  // namespace balmer::train
