#include "train/task.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "kernels/core/nearest_name.h"
#include "tensor/ops.h"

namespace balmer::train {

namespace {

constexpr float no_value = std::numeric_limits<float>::quiet_NaN();

enum Reason : std::uint8_t { usable, missing, unknown_class, flagged };

bool is_classification(const std::string& target) {
    return target == "class" || target == "subclass";
}

bool is_flagged(const std::string& target, const data::Labels& labels,
                const LabelOptions& options) {
    return target == "z" && !options.use_flagged_redshifts && labels.zwarn.value_or(0) != 0;
}

/// STAR, GALAXY and QSO first, in this order; the others by name.
bool class_order(const std::string& a, const std::string& b) {
    const std::array<std::string, 3> first = {"STAR", "GALAXY", "QSO"};
    const auto rank = [&](const std::string& name) {
        return std::find(first.begin(), first.end(), name) - first.begin();
    };
    return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
}

Head fit_classes(const std::string& target, std::span<const std::int64_t> train,
                 const LabelSource& labels) {
    std::set<std::string> names;
    for (const std::int64_t index : train) names.insert(class_name(target, labels(index)));
    names.erase("");
    if (names.size() < 2) {
        throw UsageError(fmt::format("--task {}: the training split has {}, two classes are needed",
                                     target,
                                     names.empty() ? "no label" : "only '" + *names.begin() + "'"));
    }
    Head head{.target = target, .labels = {names.begin(), names.end()}};
    std::sort(head.labels.begin(), head.labels.end(), class_order);
    return head;
}

Head fit_statistics(const std::string& target, std::span<const std::int64_t> train,
                    const LabelSource& labels, const LabelOptions& options) {
    Head head{.target = target, .labels = {}, .transform = target == "z" ? "log1p" : "identity"};
    double count = 0.0;
    double mean = 0.0;
    double squares = 0.0;
    for (const std::int64_t index : train) {
        const data::Labels label = labels(index);
        const double value = label_value(target, label);
        if (std::isnan(value) || is_flagged(target, label, options)) continue;
        const double output = vit::target_output(head, value);  // not yet standardised: 0, 1
        count += 1.0;
        const double difference = output - mean;
        mean += difference / count;
        squares += difference * (output - mean);
    }
    if (count == 0.0) {
        throw UsageError(fmt::format(
            "--task {0}: no spectrum of the training split has a usable label '{0}'", target));
    }
    const double deviation = std::sqrt(squares / count);
    head.mean = mean;
    head.deviation = deviation > 0.0 ? deviation : 1.0;
    return head;
}

}  // namespace

std::vector<std::string> target_names() {
    return {"class", "subclass", "z", "teff", "logg", "feh"};
}

std::vector<std::string> parse_targets(const std::string& list) {
    std::vector<std::string> targets;
    std::size_t begin = 0;
    while (begin <= list.size()) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        const std::string name = list.substr(begin, end - begin);
        begin = end + 1;
        const std::vector<std::string> known = target_names();
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            throw unknown_name("target", name, known);
        }
        if (std::find(targets.begin(), targets.end(), name) != targets.end()) {
            throw UsageError(fmt::format("--task: '{}' is named twice", name));
        }
        targets.push_back(name);
    }
    return targets;
}

std::string class_name(const std::string& target, const data::Labels& labels) {
    if (target == "class") return labels.object_class;
    std::string name = labels.subclass.substr(0, labels.subclass.find(" ("));
    while (!name.empty() && name.back() == ' ') name.pop_back();
    return name;
}

double label_value(const std::string& target, const data::Labels& labels) {
    const std::optional<double>& label = target == "z"      ? labels.z
                                         : target == "teff" ? labels.teff
                                         : target == "logg" ? labels.logg
                                                            : labels.feh;
    const double value = label.value_or(no_value);
    const bool in_domain = target != "z" || value > -1.0;
    return std::isfinite(value) && value != -9999.0 && in_domain ? value : no_value;
}

std::vector<Head> fit_heads(const std::vector<std::string>& targets,
                            std::span<const std::int64_t> train, const LabelSource& labels,
                            const LabelOptions& options) {
    std::vector<Head> heads;
    for (const std::string& target : targets) {
        heads.push_back(is_classification(target) ? fit_classes(target, train, labels)
                                                  : fit_statistics(target, train, labels, options));
    }
    return heads;
}

TargetTable::TargetTable(std::vector<Head> heads, std::int64_t count, const LabelSource& labels,
                         const LabelOptions& options)
    : heads_(std::move(heads)),
      classes_(heads_.size()),
      values_(heads_.size()),
      reasons_(heads_.size(), std::vector<std::uint8_t>(static_cast<std::size_t>(count), usable)) {
    std::vector<std::map<std::string, std::int32_t>> numbers(heads_.size());
    for (std::size_t h = 0; h < heads_.size(); ++h) {
        for (const std::string& label : heads_[h].labels) {
            numbers[h].emplace(label, static_cast<std::int32_t>(numbers[h].size()));
        }
    }
    for (std::int64_t index = 0; index < count; ++index) {
        const data::Labels label = labels(index);
        for (std::size_t h = 0; h < heads_.size(); ++h) {
            const Head& head = heads_[h];
            std::uint8_t& reason = reasons_[h][static_cast<std::size_t>(index)];
            if (head.is_classification()) {
                const std::string name = class_name(head.target, label);
                const auto found = numbers[h].find(name);
                if (found == numbers[h].end()) reason = name.empty() ? missing : unknown_class;
                classes_[h].push_back(found == numbers[h].end() ? -1 : found->second);
                continue;
            }
            const double value = label_value(head.target, label);
            if (std::isnan(value)) reason = missing;
            if (reason == usable && is_flagged(head.target, label, options)) reason = flagged;
            values_[h].push_back(
                reason == usable ? static_cast<float>(vit::target_output(head, value)) : no_value);
        }
    }
}

std::int64_t TargetTable::class_of(std::size_t head, std::int64_t index) const {
    return classes_[head][static_cast<std::size_t>(index)];
}

float TargetTable::value_of(std::size_t head, std::int64_t index, double log_stretch) const {
    const float value = values_[head][static_cast<std::size_t>(index)];
    const Head& own = heads_[head];
    if (log_stretch == 0.0 || own.target != "z" || std::isnan(value)) return value;
    const double z = vit::target_value(own, value);
    return static_cast<float>(vit::target_output(own, (1.0 + z) * std::exp(log_stretch) - 1.0));
}

bool TargetTable::has_label(std::size_t head, std::int64_t index) const {
    return reasons_[head][static_cast<std::size_t>(index)] == usable;
}

bool TargetTable::has_any_label(std::int64_t index) const {
    for (std::size_t head = 0; head < heads_.size(); ++head) {
        if (has_label(head, index)) return true;
    }
    return false;
}

std::map<std::string, std::int64_t> TargetTable::dropped(
    std::span<const std::int64_t> spectra) const {
    constexpr std::array<const char*, 4> texts = {"", "missing", "not a class of the model",
                                                  "flagged by zwarn"};
    std::map<std::string, std::int64_t> counts;
    for (std::size_t h = 0; h < heads_.size(); ++h) {
        for (const std::int64_t index : spectra) {
            const std::uint8_t reason = reasons_[h][static_cast<std::size_t>(index)];
            if (reason != usable) ++counts[fmt::format("{} {}", heads_[h].target, texts[reason])];
        }
    }
    return counts;
}

std::vector<double> loss_normalisers(const TargetTable& table,
                                     std::span<const std::int64_t> batch) {
    std::vector<double> normalisers;
    for (std::size_t h = 0; h < table.heads().size(); ++h) {
        const auto labelled = std::count_if(batch.begin(), batch.end(), [&](std::int64_t index) {
            return table.has_label(h, index);
        });
        normalisers.push_back(std::max(1.0, static_cast<double>(labelled)));
    }
    return normalisers;
}

HeadLabels labels_of(const TargetTable& table, std::size_t head, std::span<const std::int64_t> rows,
                     std::span<const double> log_stretch) {
    HeadLabels labels;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (table.heads()[head].is_classification()) {
            labels.classes.push_back(table.class_of(head, rows[i]));
        } else {
            const double stretch = log_stretch.empty() ? 0.0 : log_stretch[i];
            labels.values.push_back(table.value_of(head, rows[i], stretch));
        }
        labels.weights.push_back(table.has_label(head, rows[i]) ? 1.0F : 0.0F);
    }
    return labels;
}

Tensor task_loss(const TargetTable& table, const std::vector<Tensor>& outputs,
                 std::span<const std::int64_t> rows, std::span<const double> normalisers,
                 const LossOptions& options, std::span<const double> log_stretch) {
    const auto count = static_cast<std::int64_t>(rows.size());
    Tensor total;
    for (std::size_t h = 0; h < table.heads().size(); ++h) {
        const double head_weight = options.weights.empty() ? 1.0 : options.weights.at(h);
        if (head_weight == 0.0) continue;
        const double normaliser = normalisers[h] / head_weight;
        const Context& context = outputs[h].context();
        const HeadLabels labels = labels_of(table, h, rows, log_stretch);
        Tensor loss;
        if (table.heads()[h].is_classification()) {
            loss = cross_entropy(outputs[h], Tensor::from(labels.classes, {count}, context),
                                 normaliser);
        } else {
            loss = mse(outputs[h], Tensor::from(labels.values, {count, 1}, context), normaliser,
                       Tensor::from(labels.weights, {count, 1}, context), options.huber_delta);
        }
        total = total.defined() ? total + loss : loss;
    }
    return total;
}

Tensor task_loss(const std::vector<LabelTensors>& labels, const std::vector<Tensor>& outputs,
                 const LossOptions& options) {
    Tensor total;
    for (std::size_t h = 0; h < labels.size(); ++h) {
        const auto& [target, share] = labels[h];
        if (!target.defined()) continue;
        const Tensor loss = target.dtype() == DType::i64
                                ? cross_entropy(outputs[h], target, 1.0, share)
                                : mse(outputs[h], target, 1.0, share, options.huber_delta);
        total = total.defined() ? total + loss : loss;
    }
    return total;
}

}  // namespace balmer::train
