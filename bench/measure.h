#pragma once
// The rules of measurement: warm up; rotate inputs larger than the cache; time on the device;
// median and spread of at least 30 repetitions; two contestants by turns in one run.

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "bench/device.h"

namespace balmer::bench {

/// What repetitions say together. Seconds of one call.
struct Timing {
    double median = 0.0;
    double low = 0.0;   ///< first quartile
    double high = 0.0;  ///< third quartile
    double fastest = 0.0;
    int repetitions = 0;
    int calls = 0;          ///< in one repetition
    bool is_graph = false;  ///< replayed as a captured graph

    /// (high - low) / median.
    double spread() const { return median > 0.0 ? (high - low) / median : 0.0; }
};

/// Quartiles with linear interpolation; UsageError without samples.
Timing summarise(std::vector<double> seconds);

/// How many sets of operands of `bytes` each are rotated so that none is still in the cache when
/// its turn comes: together at least three times the cache, at least two, at most `most`.
int rotations(std::size_t bytes, std::size_t cache_bytes, int most = 64);

/// How many calls of about `seconds` make a repetition: enough for `target` seconds, a multiple of
/// `slots` (every set as often), no more than 1000 where that allows.
int calls_per_repetition(double seconds, int slots, double target);

/// Repeats the calls of one contestant, each on its own set of operands, in turn.
class Contestant {
  public:
    /// Runs every call once, then for at least `warm_up` seconds, then fixes how many calls make a
    /// repetition.
    Contestant(BenchDevice& device, std::vector<std::function<void()>> calls, double warm_up,
               double repetition);

    /// One repetition: the mean seconds of its calls.
    double repeat();
    int calls() const { return calls_in_all_; }
    bool is_graph() const { return is_graph_; }

  private:
    BenchDevice& device_;
    std::function<void()> repetition_;
    int calls_in_all_ = 0;
    bool is_graph_ = false;
};

}  // namespace balmer::bench
