#pragma once
// What the machine can do at best, measured in the same run: the fastest plain matrix product of
// the model's own twelve shapes, and the copy bandwidth.

#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/measure.h"

namespace balmer::bench {

struct Ceilings {
    double flops_per_second = 0.0;  ///< 0: not measured
    double bytes_per_second = 0.0;  ///< read and written bytes together

    /// The least time the work can take, and what bounds it: "gemm" or "copy".
    double floor_of(const Work& work) const;
    const char* bound_of(const Work& work) const;
};

/// The twelve products without epilogues.
std::vector<BenchCase> ceiling_cases(const Workload& workload, std::int64_t batch);

/// The device's own copy of `bytes` (as many read as written).
Timing copy_timing(BenchDevice& device, std::size_t bytes, int repetitions);

}  // namespace balmer::bench
