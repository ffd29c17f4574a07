#pragma once
// From a case to a row: operands, verification, then the two contestants by turns.

#include <memory>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/measure.h"
#include "bench/results.h"

namespace balmer::bench {

struct RunOptions {
    int repetitions = 30;
    double warm_up = 0.1;       ///< seconds
    double repetition = 0.002;  ///< seconds that one repetition should last at least
    std::uint64_t seed = 1;
};

/// A case with its operands in memory, verified and warm.
class PreparedCase {
  public:
    /// Throws NumericalError where an output is wrong.
    PreparedCase(BenchDevice& device, Peers* peers, const BenchCase& bench_case,
                 const RunOptions& options);

    /// One repetition of Balmer's call, then one of the peer's. Seconds of Balmer's.
    double repeat();
    /// What the repetitions so far say.
    Row row() const;

  private:
    void verify(Peers* peers);
    void compare_with_cpu();
    void compare_with_peer();

    BenchDevice& device_;
    const BenchCase& case_;
    RunOptions options_;
    std::vector<std::unique_ptr<Operands>> operands_;
    std::vector<Calls> calls_;
    std::unique_ptr<Contestant> own_;
    std::unique_ptr<Contestant> peer_;
    std::vector<double> own_seconds_;
    std::vector<double> peer_seconds_;
    Row row_;
};

/// ||a - b|| / ||b|| over `count` elements of both (at most 2^24 from each end); infinite where
/// either holds NaN.
double relative_difference(BenchDevice& device_a, const Output& a, BenchDevice& device_b,
                           const Output& b, std::int64_t count);

}  // namespace balmer::bench
