// Sums on the CPU. The summed positions are cut into chunks whose number depends on the shapes
// alone; each chunk is summed on its own and the chunks are added in order, so that the result does
// not depend on the threads. Columns beside each other are summed together (vector code across
// columns); a contiguous run that is itself summed goes through the lanes of one vector.

#include "kernels/reduce/reduce_cpu.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "kernels/core/strided_loop.h"
#include "kernels/reduce/dimensions.h"

namespace balmer::kernels {
namespace {

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

/// How many chunks the `summed` positions of each of `kept` sums are cut into.
std::int64_t chunk_count(std::int64_t summed, std::int64_t kept, std::int64_t chunk) {
    const std::int64_t by_memory = std::max<std::int64_t>(1, (std::int64_t{1} << 20) / kept);
    return std::clamp<std::int64_t>(ceil_divide(summed, chunk), 1,
                                    std::min<std::int64_t>(256, by_memory));
}

template <class T, class Total>
Total sum_run(const T* x, std::int64_t stride, std::int64_t n) {
    Total total = 0;
    if (stride == 1) {
#pragma omp simd reduction(+ : total)
        for (std::int64_t i = 0; i < n; ++i) total += Total(x[i]);
        return total;
    }
    for (std::int64_t i = 0; i < n; ++i) total += Total(x[i * stride]);
    return total;
}

template <class T, class Out>
class Summation {
  public:
    using Total = accumulator_t<T>;

    Summation(const Context& context, const Sum& arguments)
        : context_(context),
          x_(arguments.x.as<T>()),
          out_(arguments.out.as<Out>()),
          scale_(static_cast<Total>(arguments.scale)),
          dimensions_(arguments) {}

    void run() {
        if (dimensions_.kept.numel() == 0) return;
        if (dimensions_.has_columns_inside()) {
            sum_columns();
        } else {
            sum_runs();
        }
    }

  private:
    /// The innermost dimension is kept: whole rows are added up.
    void sum_columns() {
        constexpr std::int64_t segment = 2048;
        const Dimension columns = dimensions_.kept.pop_inner();
        const std::int64_t outer = dimensions_.kept.numel();
        const std::int64_t positions = dimensions_.summed.numel();
        chunks_ = chunk_count(positions, outer * columns.size, 64);
        partial_.assign(chunks_ * outer * columns.size, Total(0));
        const std::int64_t segments = ceil_divide(columns.size, segment);
        parallel_for(context_, chunks_ * outer * segments, 1, [&](std::int64_t task) {
            const std::int64_t first = task % segments * segment;
            const std::int64_t row = task / segments % outer;
            const std::int64_t chunk = task / segments / outer;
            const std::int64_t count = std::min(segment, columns.size - first);
            Total* total = partial_.data() + (chunk * outer + row) * columns.size + first;
            const T* base = x_ + dimensions_.kept.offset(row) + first * columns.stride;
            for (auto p = positions * chunk / chunks_; p < positions * (chunk + 1) / chunks_; ++p) {
                add_row(total, base + dimensions_.summed.offset(p), columns.stride, count);
            }
        });
        finish(outer * columns.size, [&](std::int64_t i) {
            return dimensions_.kept.out_offset(i / columns.size) +
                   i % columns.size * columns.out_stride;
        });
    }

    static void add_row(Total* total, const T* x, std::int64_t stride, std::int64_t n) {
        if (stride == 1) {
#pragma GCC ivdep
            for (std::int64_t i = 0; i < n; ++i) total[i] += Total(x[i]);
        } else {
            for (std::int64_t i = 0; i < n; ++i) total[i] += Total(x[i * stride]);
        }
    }

    /// The innermost dimension is summed: runs of it collapse to one number each.
    void sum_runs() {
        const Dimension run = dimensions_.summed.pop_inner();
        const std::int64_t kept = dimensions_.kept.numel();
        const std::int64_t positions = run.size * dimensions_.summed.numel();
        chunks_ = chunk_count(positions, kept, 8192);
        partial_.assign(chunks_ * kept, Total(0));
        parallel_for(context_, chunks_ * kept, 1 + 16384 / (positions / chunks_ + 1),
                     [&](std::int64_t task) {
                         const std::int64_t chunk = task / kept;
                         const std::int64_t base = dimensions_.kept.offset(task % kept);
                         partial_[task] = sum_positions(base, run, positions * chunk / chunks_,
                                                        positions * (chunk + 1) / chunks_);
                     });
        finish(kept, [&](std::int64_t i) { return dimensions_.kept.out_offset(i); });
    }

    Total sum_positions(std::int64_t base, const Dimension& run, std::int64_t begin,
                        std::int64_t end) const {
        Total total = 0;
        while (begin < end) {
            const std::int64_t inside = begin % run.size;
            const std::int64_t count = std::min(run.size - inside, end - begin);
            const T* x = x_ + base + dimensions_.summed.offset(begin / run.size);
            total += sum_run<T, Total>(x + inside * run.stride, run.stride, count);
            begin += count;
        }
        return total;
    }

    template <class Offset>
    void finish(std::int64_t kept, const Offset& offset) {
        parallel_for(context_, kept, 4096, [&](std::int64_t i) {
            Total total = 0;
            for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
                total += partial_[chunk * kept + i];
            }
            out_[offset(i)] = Out(total * scale_);
        });
    }

    const Context& context_;
    const T* x_;
    Out* out_;
    Total scale_;
    SumDimensions dimensions_;
    std::int64_t chunks_ = 1;
    std::vector<Total> partial_;
};

/// Sum of squares of `n` elements, in f64.
template <class T>
double square_sum(const T* x, std::int64_t n) {
    double total = 0.0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < n; ++i) total += double(x[i]) * double(x[i]);
    return total;
}

/// True if no element of the run is NaN or infinite: their exponent bits are all set.
template <class T>
bool run_is_finite(const T* x, std::int64_t stride, std::int64_t n) {
    int bad = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        using Value = accumulator_t<T>;
        const Value value(x[i * stride]);
        bad |= static_cast<int>(!(std::abs(value) <= std::numeric_limits<Value>::max()));
    }
    return bad == 0;
}

}  // namespace

void sum_plain(const Context& context, const Sum& arguments) {
    dispatch_floating(arguments.x.dtype, "sum", [&](auto from) {
        using T = typename decltype(from)::type;
        if (arguments.out.dtype == dtype_of_v<T>) {
            Summation<T, T>(context, arguments).run();
        } else {
            Summation<T, accumulator_t<T>>(context, arguments).run();
        }
    });
}

void global_norm_plain(const Context& context, const GlobalNorm& arguments) {
    constexpr std::int64_t chunk = 32768;
    double total = 0.0;
    for (const View& view : arguments.views) {
        dispatch_floating(view.dtype, "global_norm", [&](auto tag) {
            using T = typename decltype(tag)::type;
            const T* x = view.as<T>();
            const std::int64_t n = view.numel();
            std::vector<double> partial(ceil_divide(n, chunk));
            parallel_for(context, static_cast<std::int64_t>(partial.size()), 2,
                         [&](std::int64_t i) {
                             partial[i] = square_sum(x + i * chunk, std::min(chunk, n - i * chunk));
                         });
            for (const double value : partial) total += value;
        });
    }
    if (arguments.out.dtype == DType::f64) {
        *arguments.out.as<double>() = std::sqrt(total);
    } else {
        *arguments.out.as<float>() = static_cast<float>(std::sqrt(total));
    }
}

void all_finite_plain(const Context& context, const AllFinite& arguments) {
    std::atomic<bool> result = true;
    dispatch_floating(arguments.view.dtype, "all_finite", [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* x = arguments.view.as<T>();
        StridedLoop<1>({arguments.view})
            .run(context, 65536, [&](const auto& at, const auto& step, std::int64_t n) {
                if (!run_is_finite(x + at[0], step[0], n)) result = false;
            });
    });
    *arguments.out.as<std::int32_t>() = result ? 1 : 0;
}

}  // namespace balmer::kernels
