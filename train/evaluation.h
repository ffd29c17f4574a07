#pragma once
// Predictions against the truth their input carries: every figure of the paper's tables.

#include <map>
#include <string>

#include "train/prediction.h"
#include "train/task.h"

namespace balmer::train {

struct Evaluation {
    /// metrics.json, see evaluate().
    std::string json;
    /// The main figures: "accuracy", "macro_f1", "z_r2", "z_nmad", "z_non_catastrophic", ...
    std::map<std::string, double> summary;
    /// What the best checkpoint is chosen by: the mean over targets of the accuracy or of R2 (taken
    /// as -1 where it is worse). NaN without any label.
    double score = 0.0;
    /// NMAD of every regression target.
    std::map<std::string, double> nmad;
};

/// Scores every row that has a prediction and a label; the others are counted under `dropped`.
///
/// The JSON object holds `count`, the first classification's `accuracy`, `macro_f1`, `recall`
/// {class: x} and `confusion` {true: {predicted: n}} at the top level (another one's under its
/// name), `accuracy_per_snr`; under each regression target's name `count`, `r2`, `mse`, `rmse`,
/// `mae`, `bias`, `nmad`, `crps`, per class and per S/N bin, and for z `non_catastrophic` {all,
/// per_class, per_snr}; `per_survey` {survey: the same}; `dropped` {reason: n}. Redshifts whose
/// truth is flagged (zwarn != 0) are left out of `z` and counted; `z.with_flagged` has them too.
Evaluation evaluate(const PredictionTable& table, const LabelOptions& options = {});

}  // namespace balmer::train
