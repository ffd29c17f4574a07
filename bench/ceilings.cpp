#include "bench/ceilings.h"

#include <algorithm>

namespace balmer::bench {

double Ceilings::floor_of(const Work& work) const {
    const double compute = flops_per_second > 0.0 ? work.flops / flops_per_second : 0.0;
    const double memory = bytes_per_second > 0.0 ? work.bytes / bytes_per_second : 0.0;
    return std::max(compute, memory);
}

const char* Ceilings::bound_of(const Work& work) const {
    const double compute = flops_per_second > 0.0 ? work.flops / flops_per_second : 0.0;
    const double memory = bytes_per_second > 0.0 ? work.bytes / bytes_per_second : 0.0;
    return compute > memory ? "gemm" : "copy";
}

Timing copy_timing(BenchDevice& device, std::size_t bytes, int repetitions) {
    Operands operands(device, DType::f32, DType::f32, /*seed=*/1);
    const auto elements = static_cast<std::int64_t>(bytes / sizeof(float));
    const View from = operands.normal({elements});
    const View to = operands.output({elements});
    const std::size_t size = static_cast<std::size_t>(elements) * sizeof(float);
    Contestant copy(device, {[&] { device.copy_within(to.data, from.data, size); }},
                    /*warm_up=*/0.05,
                    /*repetition=*/0.002);
    std::vector<double> seconds;
    for (int i = 0; i < repetitions; ++i) seconds.push_back(copy.repeat());
    Timing timing = summarise(std::move(seconds));
    timing.calls = copy.calls();
    return timing;
}

}  // namespace balmer::bench
