#include "train/inference.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "weights/file.h"

namespace balmer::train {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

std::vector<double> softmax(std::span<const float> logits) {
    const double highest = *std::max_element(logits.begin(), logits.end());
    std::vector<double> probabilities;
    double total = 0.0;
    for (const float logit : logits) {
        probabilities.push_back(std::exp(logit - highest));
        total += probabilities.back();
    }
    for (double& probability : probabilities) probability /= total;
    return probabilities;
}

}  // namespace

Uncertainties run_uncertainties(const std::string& run) {
    const auto path = std::filesystem::path(run) / "validation.json";
    if (!std::filesystem::exists(path)) return {};
    const auto figures =
        nlohmann::json::parse(weights::read_text_file(path.string()), nullptr, false);
    Uncertainties uncertainties;
    if (!figures.is_object()) return uncertainties;
    for (const auto& [target, figure] : figures.items()) {
        if (!figure.is_object()) continue;
        const auto nmad = figure.find("nmad");
        if (nmad != figure.end() && nmad->is_number()) uncertainties[target] = *nmad;
    }
    return uncertainties;
}

void decode_outputs(const std::vector<vit::ModelConfig::Head>& heads,
                    const std::vector<Tensor>& outputs, const Uncertainties& uncertainties,
                    std::span<PredictionRow> rows) {
    for (PredictionRow& row : rows) row.outputs.assign(heads.size(), {});
    for (std::size_t h = 0; h < heads.size(); ++h) {
        const auto& head = heads[h];
        const auto width = static_cast<std::size_t>(head.outputs());
        const std::vector<float> values = outputs[h].to_vector<float>();
        const auto known = uncertainties.find(head.target);
        const double deviation = known == uncertainties.end() ? unknown : known->second;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const std::span<const float> own(values.data() + i * width, width);
            if (head.is_classification()) {
                rows[i].outputs[h] = softmax(own);
                continue;
            }
            const double value = vit::target_value(head, own[0]);
            const double scale = head.target == "z" ? 1.0 + value : 1.0;
            rows[i].outputs[h] = {value, deviation * scale};
        }
    }
}

PredictionRow describe(const data::Spectrum& description, std::optional<double> snr) {
    PredictionRow row;
    row.id = description.object_id;
    row.survey = description.survey;
    row.file = description.file;
    row.row = description.row;
    row.snr = snr.value_or(unknown);
    row.truth = description.labels;
    return row;
}

PredictionRow describe(const data::PackedSet& set, std::int64_t row) {
    return describe(set.description(row), set.signal_to_noise(row));
}

}  // namespace balmer::train
