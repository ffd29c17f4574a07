#pragma once
// How many spectra of what a packed set holds, and the statistics of their labels.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/pack/shard.h"
#include "data/pack/split.h"

namespace balmer::data {

/// Statistics of one label over the spectra that have it; without any, only `count` means anything.
struct LabelStatistics {
    std::int64_t count = 0;
    double minimum = 0.0;
    double maximum = 0.0;
    double mean = 0.0;
    double standard_deviation = 0.0;  ///< of the population: divided by count
    bool operator==(const LabelStatistics&) const = default;
};

/// Running mean and spread (Welford 1962).
class StatisticsAccumulator {
  public:
    void add(double value);
    LabelStatistics result() const;

  private:
    LabelStatistics sum_;
    double squares_ = 0.0;
};

/// The labels a model can be trained to give as numbers.
inline constexpr std::array<const char*, 4> label_names = {"z", "teff", "logg", "feh"};

struct SetSummary {
    std::map<std::string, std::int64_t> survey_counts;
    std::map<std::string, std::int64_t> class_counts;  ///< spectra without a class are not in it
    std::array<std::int64_t, split_count> split_counts{};
    /// By split, then by label: what a model is scaled with is that of `train`.
    std::array<std::map<std::string, LabelStatistics>, split_count> labels;
    bool operator==(const SetSummary&) const = default;
};

/// Summarises shards one by one, in order.
class SummaryCollector {
  public:
    /// The shard's columns have been checked against `surveys` and `classes`.
    void add(const Shard& shard, const std::vector<std::string>& surveys,
             const std::vector<std::string>& classes);
    SetSummary result() const;

  private:
    SetSummary counts_;
    std::array<std::array<StatisticsAccumulator, label_names.size()>, split_count> statistics_;
};

}  // namespace balmer::data
