#include "data/pack/summary.h"

#include <algorithm>
#include <cmath>

namespace balmer::data {

void StatisticsAccumulator::add(double value) {
    sum_.minimum = sum_.count == 0 ? value : std::min(sum_.minimum, value);
    sum_.maximum = sum_.count == 0 ? value : std::max(sum_.maximum, value);
    ++sum_.count;
    const double change = value - sum_.mean;
    sum_.mean += change / static_cast<double>(sum_.count);
    squares_ += change * (value - sum_.mean);
}

LabelStatistics StatisticsAccumulator::result() const {
    LabelStatistics result = sum_;
    if (result.count > 0) {
        result.standard_deviation = std::sqrt(squares_ / static_cast<double>(result.count));
    }
    return result;
}

void SummaryCollector::add(const Shard& shard, const std::vector<std::string>& surveys,
                           const std::vector<std::string>& classes) {
    const auto& columns = shard.columns();
    for (std::int64_t i = 0; i < shard.size(); ++i) {
        const std::uint8_t split = columns.split[i];
        ++counts_.split_counts[split];
        const std::int32_t survey = columns.survey[i];
        const std::int32_t object_class = columns.object_class[i];
        if (survey >= 0) ++counts_.survey_counts[surveys[survey]];
        if (object_class >= 0) ++counts_.class_counts[classes[object_class]];
        const std::array<double, label_names.size()> labels = {columns.z[i], columns.teff[i],
                                                               columns.logg[i], columns.feh[i]};
        for (std::size_t k = 0; k < labels.size(); ++k) {
            if (!std::isnan(labels[k])) statistics_[split][k].add(labels[k]);
        }
    }
}

SetSummary SummaryCollector::result() const {
    SetSummary summary = counts_;
    for (std::size_t split = 0; split < statistics_.size(); ++split) {
        for (std::size_t k = 0; k < label_names.size(); ++k) {
            summary.labels[split][label_names[k]] = statistics_[split][k].result();
        }
    }
    return summary;
}

}  // namespace balmer::data
