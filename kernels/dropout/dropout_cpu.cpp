// Dropout and drop path on the CPU.

#include "kernels/dropout/dropout_cpu.h"

#include <algorithm>

#include "kernels/core/parallel.h"
#include "kernels/core/vector_math.h"
#include "kernels/dropout/dropout_rule.h"

namespace balmer::kernels {
namespace {

std::uint64_t start_of(const RandomPlace& place) {
    const std::int64_t advance = place.advance ? *place.advance.as<std::int64_t>() : 0;
    return place.position + static_cast<std::uint64_t>(advance);
}

using balmer::multiply_add;
double multiply_add(double a, double b, double c) {
    return a * b + c;
}

}  // namespace

void dropout_plain(const Context& context, const Dropout& arguments) {
    const RandomPlace& place = arguments.place;
    const std::uint64_t start = start_of(place);
    const std::uint64_t threshold = dropout_threshold(arguments.probability);
    const std::int64_t count = arguments.x.numel();
    dispatch_floating(arguments.x.dtype, "dropout", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const auto scale = static_cast<Value>(1.0 / (1.0 - arguments.probability));
        const T* x = arguments.x.as<T>();
        T* y = arguments.y.as<T>();
        parallel_ranges(context, (count + 3) / 4, 1024, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t four = begin; four < end; ++four) {
                const auto words =
                    philox(place.seed, place.stream, start + static_cast<std::uint64_t>(four));
                for (std::int64_t i = four * 4; i < std::min(count, four * 4 + 4); ++i) {
                    const bool is_dropped = words[i % 4] < threshold;
                    y[i] = is_dropped ? T(Value(0)) : T(Value(x[i]) * scale);
                }
            }
        });
    });
}

void drop_path_plain(const Context& context, const DropPath& arguments) {
    const RandomPlace& place = arguments.place;
    const std::uint64_t start = start_of(place);
    const std::uint64_t threshold = drop_path_threshold(arguments.probability);
    const std::int64_t columns = arguments.x.shape[1];
    dispatch_floating(arguments.x.dtype, "drop_path", [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Value = accumulator_t<T>;
        const auto scale = static_cast<Value>(1.0 / (1.0 - arguments.probability));
        const std::int64_t grain = 1 + 16384 / std::max<std::int64_t>(1, columns);
        parallel_for(context, arguments.x.shape[0], grain, [&](std::int64_t b) {
            const T* x = arguments.x.as<T>() + b * columns;
            const T* residual =
                arguments.residual ? arguments.residual.as<T>() + b * columns : nullptr;
            T* y = arguments.y.as<T>() + b * columns;
            const bool is_dropped = is_sample_dropped(
                place.seed, place.stream, start + static_cast<std::uint64_t>(b), threshold);
            if (is_dropped && residual == nullptr) {
                std::fill_n(y, columns, T(Value(0)));
            } else if (is_dropped) {
                if (y != residual) std::copy_n(residual, columns, y);
            } else if (residual == nullptr) {
#pragma GCC ivdep
                for (std::int64_t i = 0; i < columns; ++i) y[i] = T(Value(x[i]) * scale);
            } else {
#pragma GCC ivdep
                for (std::int64_t i = 0; i < columns; ++i) {
                    y[i] = T(multiply_add(Value(x[i]), scale, Value(residual[i])));
                }
            }
        });
    });
}

}  // namespace balmer::kernels
