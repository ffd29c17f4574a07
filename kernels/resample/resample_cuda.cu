// The common grid on the device: every bin of every spectrum is a thread of its own, which finds
// its pixels by bisection of the wavelengths (13 reads that neighbours share in the caches) and
// sums over them in f64, in the CPU's order. Output is written once, in order; a spectrum of 4,000
// pixels costs 68 KB read and 42 KB written. Before that, a block a spectrum finds out whether the
// pixels lie on the grid (one logarithm each), and the 4,692 edges of the bins are computed once a
// batch.
//
// The upper edge of a pixel lies before the centre of the next one: a gap is wider than 1.8 times
// one of its neighbours, and half of 1.8 is less than 1. So the first pixel that reaches into a bin
// is the first one centred behind the bin's lower edge, or the one before.

#include "kernels/core/buffer.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "kernels/resample/resample_cuda.h"
#include "kernels/resample/resample_pixels.h"

namespace balmer::kernels {
namespace {

constexpr int threads = 256;
constexpr unsigned bin_blocks = (common_grid_pixels + threads - 1) / threads;

__device__ __forceinline__ double grid_position(double wavelength) {
    return (log10(wavelength) - common_grid_first) / common_grid_step;
}
__device__ __forceinline__ double grid_wavelength(std::int64_t index) {
    return pow(10.0, common_grid_first + common_grid_step * static_cast<double>(index));
}

struct Pixels {
    const double* wavelength;
    const float* flux;
    const float* inverse_variance;
    const std::uint8_t* mask;
    const std::int64_t* offsets;
    const std::int64_t* grid_start;  ///< null where unknown
};

struct EdgesOfPixels {
    const double* wavelength;
    std::int64_t size;
    constexpr Edges operator()(std::int64_t i) const { return pixel_edges(wavelength, size, i); }
};

/// edges[j], edges[j + 1]: of bin j.
__global__ void __launch_bounds__(threads) edges_kernel(double* edges) {
    const std::int64_t j = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (j > common_grid_pixels) return;
    edges[j] = 0.5 * (grid_wavelength(j - 1) + grid_wavelength(j));
}

/// is_on_grid[b] = 1 where every pixel of spectrum b lies on a grid pixel of its own.
__global__ void __launch_bounds__(threads) classify_kernel(int* is_on_grid, Pixels pixels) {
    const unsigned b = blockIdx.x;
    const std::int64_t begin = pixels.offsets[b];
    const std::int64_t size = pixels.offsets[b + 1] - begin;
    const bool is_known = pixels.grid_start != nullptr && pixels.grid_start[b] != no_grid_start;
    const double* wavelength = pixels.wavelength + begin;
    int is_off = 0;
    for (std::int64_t i = threadIdx.x; !is_known && is_off == 0 && i < size; i += threads) {
        const double position = grid_position(wavelength[i]);
        const double nearest = rint(position);
        const double before = i == 0 ? nearest - 1.0 : rint(grid_position(wavelength[i - 1]));
        if (!(fabs(position - nearest) <= common_grid_tolerance) || nearest <= before) is_off = 1;
    }
    const int is_any_off = __syncthreads_or(is_off);
    if (threadIdx.x == 0) is_on_grid[b] = is_any_off != 0 ? 0 : 1;
}

/// The first i below `size` for which `is_behind(i)`, which must not change back; `size` if none.
template <class IsBehind>
__device__ __forceinline__ std::int64_t first_behind(std::int64_t size, const IsBehind& is_behind) {
    std::int64_t low = 0;
    std::int64_t high = size;
    while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        if (is_behind(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

__global__ void __launch_bounds__(threads)
    resample_kernel(float* flux, float* inverse_variance, std::uint8_t* mask, Pixels pixels,
                    const int* is_on_grid, const double* edges) {
    const unsigned b = blockIdx.x / bin_blocks;
    const std::int64_t j = std::int64_t{blockIdx.x % bin_blocks} * threads + threadIdx.x;
    if (j >= common_grid_pixels) return;
    const std::int64_t begin = pixels.offsets[b];
    const std::int64_t size = pixels.offsets[b + 1] - begin;
    const double* wavelength = pixels.wavelength + begin;
    const float* own_flux = pixels.flux + begin;
    const float* own_inverse_variance = pixels.inverse_variance + begin;
    const std::uint8_t* own_mask = pixels.mask + begin;
    GridPixel pixel;
    if (is_on_grid[b] != 0) {
        std::int64_t i = -1;
        if (pixels.grid_start != nullptr && pixels.grid_start[b] != no_grid_start) {
            i = j - pixels.grid_start[b];
        } else {
            const double target = static_cast<double>(j);
            i = first_behind(
                size, [&](std::int64_t k) { return rint(grid_position(wavelength[k])) >= target; });
            if (i < size && rint(grid_position(wavelength[i])) != target) i = size;
        }
        if (i >= 0 && i < size) pixel = {own_flux[i], own_inverse_variance[i], own_mask[i]};
    } else {
        const double lower = edges[j];
        const double upper = edges[j + 1];
        const double reaches = lower + negligible_overlap * (upper - lower);
        const EdgesOfPixels edges_of{wavelength, size};
        std::int64_t first =
            first_behind(size, [&](std::int64_t k) { return wavelength[k] > reaches; });
        if (first > 0 && edges_of(first - 1).upper > reaches) --first;
        while (first < size && edges_of(first).upper <= reaches) ++first;
        pixel =
            rebinned(own_flux, own_inverse_variance, own_mask, size, first, lower, upper, edges_of);
    }
    const std::int64_t at = b * common_grid_pixels + j;
    flux[at] = pixel.flux;
    inverse_variance[at] = pixel.inverse_variance;
    mask[at] = pixel.mask;
}

}  // namespace

template <DeviceType device>
std::string accepts_resample_device(const Context& context, const ResampleBatch& arguments) {
    if (arguments.offsets.shape[0] - 1 > std::int64_t{1} << 26) return "takes at most 2^26 spectra";
    return accepts_on(device, context, arguments.flux.dtype);
}

template <DeviceType device>
void resample_device(const Context& context, const ResampleBatch& arguments) {
    const auto batch = static_cast<unsigned>(arguments.offsets.shape[0] - 1);
    if (batch == 0) return;
    const Buffer edges(context, sizeof(double) * (common_grid_pixels + 1));
    const Buffer is_on_grid(context, sizeof(int) * batch);
    const Pixels pixels{arguments.wavelength.as<double>(),
                        arguments.flux.as<float>(),
                        arguments.inverse_variance.as<float>(),
                        arguments.mask.as<std::uint8_t>(),
                        arguments.offsets.as<std::int64_t>(),
                        arguments.grid_start ? arguments.grid_start.as<std::int64_t>() : nullptr};
    auto* bin_edges = static_cast<double*>(edges.data());
    auto* classes = static_cast<int*>(is_on_grid.data());
    launch("resample: edges", context, edges_kernel, {{bin_blocks}, threads}, bin_edges);
    launch("resample: classes", context, classify_kernel, {{batch}, threads}, classes, pixels);
    launch("resample", context, resample_kernel, {{batch * bin_blocks}, threads},
           arguments.out_flux.as<float>(), arguments.out_inverse_variance.as<float>(),
           arguments.out_mask.as<std::uint8_t>(), pixels, classes, bin_edges);
}

template std::string accepts_resample_device<this_device>(const Context&, const ResampleBatch&);
template void resample_device<this_device>(const Context&, const ResampleBatch&);

}  // namespace balmer::kernels
