// map2d-roi on the device, bit for bit as map2d_roi_cpu.cpp: the same operations in f64 in the same
// order (regions_math.h), without contraction.
//
// A block finds the regions of one spectrum after another, in rows of global memory that stay in
// the L2 cache (113 KB for the 4691 pixels of the common grid, 15 MB for an H200's 132 blocks):
//   - a value a thread is gathered, then smoothed: 25 reads out of the L1 cache;
//   - a stretch of medians a thread: its window of 50 numbers lies in order in 100 registers, where
//     the oldest gives way to the newest by 50 comparisons and moves, branch-free;
//   - a warp adds up the width of a region, a thread counts the wider ones: with some hundred
//     regions a spectrum less than either step before.
// The flags then colour the blocks as value_blocks.cuh draws them.
//
// Expected cost: 19 medians and 49 values before them for each of 256 threads, some 450
// instructions each, 60 000 issue cycles of a multiprocessor for a spectrum: by arithmetic 0.3 us
// an image on 132 of them.

#include "render/roi/map2d_roi_cuda.h"

#include <algorithm>

#include "render/map2d/value_blocks.cuh"
#include "render/roi/regions_math.h"

namespace balmer::render {
namespace {

using namespace regions;

constexpr int threads = 256;
constexpr int warps = threads / lanes_per_warp;
static_assert(partial_sums == lanes_per_warp);

/// A run of values, [begin, end).
struct Run {
    std::int64_t begin;
    std::int64_t end;
};

/// The rows of memory that a block works in, each with room for two values more than a spectrum.
struct Scratch {
    double* memory;
    std::int64_t row;

    static constexpr std::int64_t rows = 3;

    __device__ double* flux() const { return memory; }  // NaN where bad
    __device__ double* contrast() const { return memory; }
    __device__ double* smooth() const { return memory + row; }
    __device__ double* widths() const { return memory + row; }
    __device__ Run* runs() const { return reinterpret_cast<Run*>(memory + 2 * row); }
};

/// The latest median_window values in order.
struct SlidingWindow {
    double sorted[median_window];

    __device__ SlidingWindow() {
        BALMER_UNROLL
        for (int k = 0; k < median_window; ++k) sorted[k] = undefined;
    }
    __device__ __forceinline__ void replace(double oldest, double newest) {
        BALMER_UNROLL
        for (int k = 0; k + 1 < median_window; ++k) {
            if (!(sorted[k] < oldest)) sorted[k] = sorted[k + 1];
        }
        sorted[median_window - 1] = newest;
        BALMER_UNROLL
        for (int k = median_window - 1; k > 0; --k) {
            const double lower = sorted[k - 1];
            const bool is_below = newest < lower;
            sorted[k - 1] = is_below ? newest : lower;
            sorted[k] = is_below ? lower : sorted[k];
        }
    }
    __device__ __forceinline__ double median() const {
        constexpr int middle = median_window / 2;
        return median_of(sorted[middle - 1], sorted[middle], sorted[median_window - 1]);
    }
};

/// The work of one block on one spectrum. Every step ends with a barrier.
struct Regions {
    Values values;
    DeviceRow row;
    std::int64_t n;
    Scratch rows;

    __device__ void gather() const {
        for (std::int64_t i = threadIdx.x; i < n; i += threads) {
            const Values::Value value = values.derivative<0>(row, i, n);
            rows.flux()[i] = value.is_masked ? static_cast<double>(NAN) : value.flux;
        }
        __syncthreads();
    }

    __device__ void smooth() const {
        for (std::int64_t i = threadIdx.x; i < n; i += threads) {
            rows.smooth()[i] = smoothed(rows.flux(), i, n);
        }
        __syncthreads();
    }

    __device__ void compare_with_median() const {
        const std::int64_t medians = n - median_window + 1;
        const std::int64_t stretch = (medians + threads - 1) / threads;
        const std::int64_t first = threadIdx.x * stretch;
        const std::int64_t last = min(first + stretch, medians) + median_window - 1;
        for (std::int64_t i = threadIdx.x; i < n; i += threads) rows.contrast()[i] = 0.0;
        __syncthreads();
        SlidingWindow window;
        for (std::int64_t i = first; first < medians && i < last; ++i) {
            const std::int64_t oldest = i - median_window;
            window.replace(oldest < first ? undefined : rows.smooth()[oldest], rows.smooth()[i]);
            if (oldest + 1 < first) continue;
            const std::int64_t centre = oldest + 1 + median_before;
            rows.contrast()[centre] = contrast_of(rows.smooth()[centre], window.median());
        }
        __syncthreads();
    }

    __device__ bool is_in_region(std::int64_t i) const {
        return i >= 0 && i < n && rows.contrast()[i] != 0;
    }

    /// Lists the regions from left to right; how many there are, to every thread. `counts` has an
    /// entry a thread.
    __device__ std::int64_t list(std::int64_t* counts) const {
        const std::int64_t share = (n + threads - 1) / threads;
        const std::int64_t begin = threadIdx.x * share;
        const std::int64_t end = min(begin + share, n);
        std::int64_t own = 0;
        for (std::int64_t i = begin; i < end; ++i) {
            own += is_in_region(i) && !is_in_region(i - 1) ? 1 : 0;
        }
        counts[threadIdx.x] = own;
        __syncthreads();
        std::int64_t region = 0;
        std::int64_t total = 0;
        for (int thread = 0; thread < threads; ++thread) {
            if (thread == static_cast<int>(threadIdx.x)) region = total;
            total += counts[thread];
        }
        for (std::int64_t i = begin; i < end; ++i) {
            if (!is_in_region(i)) continue;
            if (!is_in_region(i - 1)) rows.runs()[region++].begin = i;
            if (!is_in_region(i + 1)) rows.runs()[region - 1].end = i + 1;
        }
        __syncthreads();
        return total;
    }

    __device__ double wavelength(std::int64_t i) const {
        if (n == row.pixels) return row.wavelength[i];
        return EvenSpacing{row.wavelength[0], row.wavelength[row.pixels - 1], n}.at(i);
    }

    __device__ void measure(std::int64_t count) const {
        const double* contrast = rows.contrast();
        const int lane = static_cast<int>(threadIdx.x) % lanes_per_warp;
        for (std::int64_t k = threadIdx.x / lanes_per_warp; k < count; k += warps) {
            const auto [begin, end] = rows.runs()[k];
            double sum = 0.0;
            for (std::int64_t i = begin + lane; i + 1 < end; i += lanes_per_warp) {
                sum += trapezoid(wavelength(i), wavelength(i + 1), contrast[i], contrast[i + 1]);
            }
            sum = warp_sum(sum);
            if (lane == 0) rows.widths()[k] = size_of_width(sum);
        }
        __syncthreads();
    }

    /// chosen[r] = the region that comes r-th.
    __device__ void choose(std::int64_t count, std::int64_t* chosen) const {
        const double* widths = rows.widths();
        for (std::int64_t k = threadIdx.x; k < count; k += threads) {
            const double own = widths[k];
            std::int64_t rank = 0;
            for (std::int64_t other = 0; other < count && rank < most_regions; ++other) {
                const bool is_first = other < k ? widths[other] >= own : widths[other] > own;
                rank += is_first ? 1 : 0;
            }
            if (rank < most_regions) chosen[rank] = k;
        }
        __syncthreads();
    }
};

/// flags: u8 [count, stride], 1 where a value lies in a region that is shown.
__global__ void __launch_bounds__(threads, 1)
    region_kernel(Values values, std::int64_t count, std::int64_t stride, double* scratch,
                  std::uint8_t* flags) {
    SharedMemory shared;
    auto* counts = shared.array<std::int64_t>(threads);
    auto* chosen = shared.array<std::int64_t>(most_regions);
    const std::int64_t row = stride + 2;
    const Scratch rows{scratch + blockIdx.x * Scratch::rows * row, row};
    for (std::int64_t index = blockIdx.x; index < count; index += gridDim.x) {
        const Regions regions{values, values.batch.row(index), values.count(index), rows};
        std::uint8_t* target = flags + index * stride;
        for (std::int64_t i = threadIdx.x; i < regions.n; i += threads) target[i] = 0;
        if (regions.n < median_window) continue;
        regions.gather();
        regions.smooth();
        regions.compare_with_median();
        const std::int64_t found = regions.list(counts);
        regions.measure(found);
        regions.choose(found, chosen);
        for (std::int64_t r = 0; r < min(found, most_regions); ++r) {
            const auto [begin, end] = rows.runs()[chosen[r]];
            for (std::int64_t i = begin + threadIdx.x; i < end; i += threads) target[i] = 1;
        }
        __syncthreads();
    }
}

struct RegionSource {
    RangeSource<1> norm;
    const std::uint8_t* flags;
    std::int64_t stride;
    std::int64_t capacity;

    __device__ PackedPixel background(std::int64_t) const { return 0; }
    __device__ std::int64_t count(std::int64_t index) const { return norm.count(index); }
    __device__ PackedPixel pixel(std::int64_t index, std::int64_t slot) const {
        const PackedPixel green = flags[index * stride + slot] != 0 ? region_level : 0;
        return norm.pixel(index, slot) | green << 8;
    }
};

}  // namespace

template <DeviceType device>
std::string accepts_map2d_roi_device(const Context& context, const ImageRequest&) {
    return accepts_on(device, context, DType::f32);
}

template <DeviceType device>
void map2d_roi_device(const Context& context, const ImageRequest& request) {
    const Values values = values_of(request);
    const std::int64_t count = request.batch.flux.shape[0];
    const std::int64_t stride = std::max(values.batch.width, values.slots);
    const std::int64_t multiprocessors = limits_of(context).multiprocessors;
    const std::int64_t blocks = std::min(count, multiprocessors);
    const Buffer flags(context, static_cast<std::size_t>(count * stride));
    const Buffer scratch(
        context, static_cast<std::size_t>(blocks * Scratch::rows * (stride + 2)) * sizeof(double));
    launch("map2d_roi regions", context, region_kernel,
           {{static_cast<unsigned>(blocks)},
            threads,
            shared_bytes_of(threads * sizeof(std::int64_t)) +
                shared_bytes_of(most_regions * sizeof(std::int64_t))},
           values, count, stride, static_cast<double*>(scratch.data()),
           static_cast<std::uint8_t*>(flags.data()));
    const Buffer ranges = ranges_of<1>(context, request);
    const RangeSource<1> norm = range_source<1>(request, ranges);
    draw_map(
        "map2d_roi", context, request,
        RegionSource{norm, static_cast<const std::uint8_t*>(flags.data()), stride, norm.capacity});
}

template std::string accepts_map2d_roi_device<this_device>(const Context&, const ImageRequest&);
template void map2d_roi_device<this_device>(const Context&, const ImageRequest&);

}  // namespace balmer::render
