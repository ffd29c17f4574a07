#pragma once
// What is learnt: targets, their labels, and the loss and score over them.
//
// A label that is missing leaves its spectrum out of that target's loss and out of nothing else.
// Every statistic comes from the training split alone.

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/spectrum.h"
#include "tensor/tensor.h"
#include "vit/config.h"

namespace balmer::train {

using Head = vit::ModelConfig::Head;

/// The labels of spectrum i of a set.
using LabelSource = std::function<data::Labels(std::int64_t index)>;

/// The targets a user can name: class, subclass, z, teff, logg, feh.
std::vector<std::string> target_names();

/// "class,z" -> {"class", "z"}. UsageError for none, an unknown one (with the nearest name) or one
/// named twice.
std::vector<std::string> parse_targets(const std::string& list);

/// The name of the class a label stands for under `target`: the class itself; of a subclass the
/// part before " (", where SDSS adds a template's name. Empty if missing.
std::string class_name(const std::string& target, const data::Labels& labels);

/// The number a label stands for under a regression target; NaN if missing, not finite, the
/// surveys' -9999 (FAULTS 28), or outside the domain of the target's transform.
double label_value(const std::string& target, const data::Labels& labels);

/// Which labels are learnt from.
struct LabelOptions {
    /// Also learn z where the survey itself doubts it (zwarn != 0).
    bool use_flagged_redshifts = false;
};

/// The heads that `targets` ask for: classes in the order STAR, GALAXY, QSO, then by name; mean and
/// deviation of the transformed values (log(1 + z) for z) over the spectra `train`. UsageError if a
/// target has no label at all or one class only (FAULTS 29).
std::vector<Head> fit_heads(const std::vector<std::string>& targets,
                            std::span<const std::int64_t> train, const LabelSource& labels,
                            const LabelOptions& options = {});

/// The labels of a whole set as a model's heads see them.
class TargetTable {
  public:
    TargetTable(std::vector<Head> heads, std::int64_t count, const LabelSource& labels,
                const LabelOptions& options = {});

    const std::vector<Head>& heads() const { return heads_; }
    /// Class number of spectrum `index`, -1 if it is missing or not a class of the head.
    std::int64_t class_of(std::size_t head, std::int64_t index) const;
    /// Standardised value of spectrum `index`, NaN if missing; of z as it is where 1 + z is
    /// multiplied by exp(log_stretch).
    float value_of(std::size_t head, std::int64_t index, double log_stretch = 0.0) const;
    bool has_label(std::size_t head, std::int64_t index) const;
    /// Whether anything can be learnt from spectrum `index`.
    bool has_any_label(std::int64_t index) const;
    /// How many of `spectra` have no usable label, by reason ("class missing", "z flagged", ...).
    std::map<std::string, std::int64_t> dropped(std::span<const std::int64_t> spectra) const;

  private:
    std::vector<Head> heads_;
    std::vector<std::vector<std::int32_t>> classes_;  ///< [head][spectrum]; empty for regressions
    std::vector<std::vector<float>> values_;          ///< [head][spectrum]; empty for classes
    std::vector<std::vector<std::uint8_t>> reasons_;  ///< [head][spectrum]: 0 usable
};

struct LossOptions {
    std::vector<double> weights;  ///< of the heads; empty: all 1
    double huber_delta = 1.0;     ///< of standardised residuals; 0: squared error
};

/// Over how many labelled spectra each head's loss is averaged: those of the whole batch, so that
/// the losses of its micro-batches add up to the batch's. At least 1.
std::vector<double> loss_normalisers(const TargetTable& table, std::span<const std::int64_t> batch);

/// The labels of some spectra under one head, as the losses take them.
struct HeadLabels {
    std::vector<std::int64_t> classes;  ///< of a classification, -1 where missing; else empty
    std::vector<float> values;          ///< of a regression, NaN where missing; else empty
    std::vector<float> weights;         ///< 1, or 0 where missing
};
HeadLabels labels_of(const TargetTable& table, std::size_t head, std::span<const std::int64_t> rows,
                     std::span<const double> log_stretch = {});

/// Sum over heads of weight x (cross entropy | Huber or squared error of standardised values), for
/// the outputs of the spectra `rows`. f32 scalar. `log_stretch`: ln of the factor that 1 + z of
/// each of them is multiplied by; empty for none.
Tensor task_loss(const TargetTable& table, const std::vector<Tensor>& outputs,
                 std::span<const std::int64_t> rows, std::span<const double> normalisers,
                 const LossOptions& options, std::span<const double> log_stretch = {});

/// Labels that lie where the outputs do, each spectrum with its share of the loss: the weight of
/// the head over its normaliser, 0 where the label is missing.
struct LabelTensors {
    Tensor target;  ///< i64 [B], or f32 [B, 1]; undefined for a head without weight
    Tensor share;   ///< f32, of the same shape
};

/// The same loss of labels that lie on the device already.
Tensor task_loss(const std::vector<LabelTensors>& labels, const std::vector<Tensor>& outputs,
                 const LossOptions& options);

}  // namespace balmer::train
