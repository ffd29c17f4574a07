#include "bench/operands.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/core/error.h"
#include "kernels/core/random.h"

namespace balmer::bench {

namespace {

/// Random numbers drawn for an operand; longer ones repeat them. A prime, so that no row or matrix
/// of usual sizes sees the same ones at the same place.
constexpr std::int64_t period = 1'000'003;

template <class T>
std::vector<T> convert(const std::vector<double>& values, DType precision) {
    std::vector<T> converted(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double rounded = precision == DType::bf16
                                   ? static_cast<double>(static_cast<float>(bfloat16(values[i])))
                                   : values[i];
        converted[i] = T(static_cast<float>(rounded));
    }
    return converted;
}

const std::vector<double>& normal_numbers() {
    static const std::vector<double> numbers = [] {
        Random random(/*seed=*/2025);
        std::vector<double> made(static_cast<std::size_t>(period));
        for (double& number : made) number = random.normal();
        return made;
    }();
    return numbers;
}

/// Repeats the first `period_bytes` over all `bytes`.
void repeat_beginning(BenchDevice& device, void* data, std::size_t period_bytes,
                      std::size_t bytes) {
    auto* start = static_cast<std::byte*>(data);
    for (std::size_t done = period_bytes; done < bytes;) {
        const std::size_t count = std::min(done, bytes - done);
        device.copy_within(start + done, start, count);
        done += count;
    }
}

}  // namespace

Operands::Operands(BenchDevice& device, DType dtype, DType precision, std::uint64_t seed)
    : device_(device), dtype_(dtype), precision_(precision), seed_(seed) {}

View Operands::allocate(const Shape& shape, DType dtype) {
    const auto bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
    buffers_.emplace_back(context(), bytes);
    bytes_ += bytes;
    return View(buffers_.back().data(), dtype, shape, context().device);
}

View Operands::draw(const Shape& shape, DType dtype, double deviation, double mean) {
    const View view = allocate(shape, dtype);
    // Every operand starts elsewhere in the same numbers.
    fill_normal(device_, view, philox(seed_, 0, drawn_++)[0], deviation, mean, precision_);
    return view;
}

View Operands::normal(const Shape& shape, double deviation, double mean) {
    return draw(shape, dtype_, deviation, mean);
}

View Operands::normal_statistics(const Shape& shape, double deviation, double mean) {
    return draw(shape, statistics_dtype(dtype_), deviation, mean);
}

View Operands::normal_f32(const Shape& shape, double deviation, double mean) {
    return draw(shape, DType::f32, deviation, mean);
}

View Operands::labels(const Shape& shape, std::int64_t bound) {
    const View view = allocate(shape, DType::i64);
    Random random(seed_, ++drawn_);
    std::vector<std::int64_t> values(static_cast<std::size_t>(shape.numel()));
    for (auto& value : values) {
        value = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(bound)));
    }
    device_.copy_from_host(view.data, values.data(), values.size() * sizeof(std::int64_t));
    return view;
}

View Operands::constant(const Shape& shape, DType dtype, double value) {
    const View view = allocate(shape, dtype);
    dispatch_all(dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const std::vector<T> values(static_cast<std::size_t>(shape.numel()),
                                    T(static_cast<float>(value)));
        device_.copy_from_host(view.data, values.data(), values.size() * sizeof(T));
    });
    return view;
}

View Operands::ramp_f64(std::int64_t count, double first, double step) {
    const View view = allocate({count}, DType::f64);
    std::vector<double> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = first + static_cast<double>(i) * step;
    device_.copy_from_host(view.data, values.data(), values.size() * sizeof(double));
    return view;
}

View Operands::output_of(const Shape& shape, DType dtype) {
    const View view = allocate(shape, dtype);
    device_.fill(view.data, 0xFF, buffers_.back().bytes());
    return view;
}

View Operands::output(const Shape& shape) {
    return output_of(shape, dtype_);
}

View Operands::output_statistics(const Shape& shape) {
    return output_of(shape, statistics_dtype(dtype_));
}

void fill_normal(BenchDevice& device, const View& view, std::uint64_t seed, double deviation,
                 double mean, DType precision) {
    const std::vector<double>& numbers = normal_numbers();
    const auto count = static_cast<std::size_t>(std::min(view.numel(), period));
    const std::size_t offset = seed % numbers.size();
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = mean + deviation * numbers[(i + offset) % numbers.size()];
    }
    dispatch_floating(view.dtype, "bench operand", [&](auto tag) {
        using T = typename decltype(tag)::type;
        const std::vector<T> block = convert<T>(values, precision);
        device.copy_from_host(view.data, block.data(), count * sizeof(T));
        repeat_beginning(device, view.data, count * sizeof(T),
                         static_cast<std::size_t>(view.numel()) * sizeof(T));
    });
}

std::vector<double> to_host(BenchDevice& device, const View& view, std::int64_t first,
                            std::int64_t count) {
    std::vector<double> values(static_cast<std::size_t>(count));
    dispatch_floating(view.dtype, "bench output", [&](auto tag) {
        using T = typename decltype(tag)::type;
        std::vector<T> raw(values.size());
        const T* source = static_cast<const T*>(view.data) + first;
        if (view.device.type != DeviceType::cuda) {
            std::memcpy(raw.data(), source, raw.size() * sizeof(T));
        } else {
            device.copy_to_host(raw.data(), source, raw.size() * sizeof(T));
        }
        std::copy(raw.begin(), raw.end(), values.begin());
    });
    return values;
}

}  // namespace balmer::bench
