#pragma once
// Counts of values in bins, kept for figures: filled one by one, small whatever the number.

#include <cstdint>
#include <string>
#include <vector>

namespace balmer::data {

/// Counts in `bins` equal bins of [minimum, maximum]; what lies outside is counted apart.
class Histogram {
  public:
    /// UsageError unless minimum < maximum and bins > 0.
    Histogram(double minimum, double maximum, int bins);

    /// NaN is counted nowhere.
    void add(double value, std::int64_t count = 1);

    double minimum() const { return minimum_; }
    double maximum() const { return maximum_; }
    const std::vector<std::int64_t>& counts() const { return counts_; }
    std::int64_t below() const { return below_; }
    std::int64_t above() const { return above_; }
    /// In the bins.
    std::int64_t total() const;
    /// Edges of bin `bin`.
    double left(std::size_t bin) const;

  private:
    double minimum_;
    double maximum_;
    std::vector<std::int64_t> counts_;
    std::int64_t below_ = 0;
    std::int64_t above_ = 0;
};

/// Round numbers in [minimum, maximum], about `about` of them: multiples of 1, 2 or 5 times a power
/// of ten.
std::vector<double> linear_ticks(double minimum, double maximum, int about);

/// The powers of ten in [minimum, maximum], at most about `about` of them; minimum > 0.
std::vector<double> log_ticks(double minimum, double maximum, int about);

}  // namespace balmer::data
