#pragma once
// Operands of a measured call: random data on the device, the same for the same seed on any device
// and for any batch (a larger batch begins with a smaller one's data).

#include <cstdint>
#include <vector>

#include "bench/device.h"
#include "kernels/core/buffer.h"
#include "kernels/core/view.h"

namespace balmer::bench {

class Operands {
  public:
    /// Tensors have `dtype`. Values are rounded to what `precision` can hold, so that f32 operands
    /// can carry a bf16 call's data.
    Operands(BenchDevice& device, DType dtype, DType precision, std::uint64_t seed);

    /// Normal numbers, of dtype().
    View normal(const Shape& shape, double deviation = 1.0, double mean = 0.0);
    /// The same in the statistics dtype of dtype(): parameters, means, gradients of weights.
    View normal_statistics(const Shape& shape, double deviation = 1.0, double mean = 0.0);
    /// The same in f32.
    View normal_f32(const Shape& shape, double deviation = 1.0, double mean = 0.0);
    /// i64 in [0, bound).
    View labels(const Shape& shape, std::int64_t bound);
    /// Every element the same.
    View constant(const Shape& shape, DType dtype, double value);
    /// f64 [count]: first, first + step, ...
    View ramp_f64(std::int64_t count, double first, double step);
    /// A copy of values in host memory.
    template <class T>
    View copy(const Shape& shape, const std::vector<T>& values) {
        const View view = allocate(shape, dtype_of<T>::value);
        device_.copy_from_host(view.data, values.data(), values.size() * sizeof(T));
        return view;
    }
    /// Memory for results, filled with NaN (bytes of 0xFF).
    View output(const Shape& shape);
    View output_statistics(const Shape& shape);
    View output_of(const Shape& shape, DType dtype);

    DType dtype() const { return dtype_; }
    BenchDevice& device() const { return device_; }
    const Context& context() const { return device_.context(); }
    /// Bytes of all operands.
    std::size_t bytes() const { return bytes_; }

  private:
    View allocate(const Shape& shape, DType dtype);
    View draw(const Shape& shape, DType dtype, double deviation, double mean);

    BenchDevice& device_;
    DType dtype_;
    DType precision_;
    std::uint64_t seed_;
    std::uint64_t drawn_ = 0;
    std::size_t bytes_ = 0;
    std::vector<Buffer> buffers_;
};

/// Fills a contiguous floating view with normal numbers, rounded to what `precision` can hold;
/// equal seeds give equal numbers.
void fill_normal(BenchDevice& device, const View& view, std::uint64_t seed, double deviation,
                 double mean, DType precision);

/// `count` elements of a contiguous floating view from `first` on, as f64.
std::vector<double> to_host(BenchDevice& device, const View& view, std::int64_t first,
                            std::int64_t count);

}  // namespace balmer::bench
