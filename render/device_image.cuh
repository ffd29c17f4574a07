#pragma once
// What the device renderers share, the counterpart of host_rows.h: reading one spectrum of a batch,
// and writing lines of pixels into an output of any layout. A block builds a line of the image in
// shared memory, in the output's own type, and writes it to all rows that show it, 16 bytes a
// thread.

#include <string>

#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"
#include "render/image.h"

namespace balmer::render {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

/// Red, green and blue in the lower three bytes.
using PackedPixel = std::uint32_t;

inline PackedPixel packed(const std::array<std::uint8_t, 3>& pixel) {
    return pixel[0] | PackedPixel{pixel[1]} << 8 | PackedPixel{pixel[2]} << 16;
}

/// Neither NaN nor infinite.
__device__ __forceinline__ bool is_finite(double x) {
    return fabs(x) <= 1.7976931348623157e308;
}

/// One spectrum; absent arrays are null.
struct DeviceRow {
    const float* flux;
    const std::uint8_t* mask;
    const float* inverse_variance;
    const double* wavelength;
    std::int64_t pixels;

    __device__ bool is_masked(std::int64_t i) const { return mask != nullptr && mask[i] != 0; }
};

struct DeviceBatch {
    const float* flux;
    const std::uint8_t* mask;
    const float* inverse_variance;
    const std::uint8_t* inverse_variance_known;
    const double* wavelength;
    std::int64_t wavelength_stride;
    const std::int64_t* lengths;
    std::int64_t width;

    /// Lengths outside 0..L are cut to it: the host cannot refuse what only the device knows.
    __device__ std::int64_t pixels(std::int64_t index) const {
        if (lengths == nullptr) return width;
        const std::int64_t length = lengths[index];
        return length < 0 ? 0 : length < width ? length : width;
    }
    __device__ DeviceRow row(std::int64_t index) const {
        const std::int64_t start = index * width;
        const bool is_variance_known =
            inverse_variance != nullptr &&
            (inverse_variance_known == nullptr || inverse_variance_known[index] != 0);
        return {flux + start, mask != nullptr ? mask + start : nullptr,
                is_variance_known ? inverse_variance + start : nullptr,
                wavelength != nullptr ? wavelength + index * wavelength_stride : nullptr,
                pixels(index)};
    }
};

inline DeviceBatch device_batch(const ImageRequest& request) {
    const SpectrumBatch& batch = request.batch;
    DeviceBatch result{};
    result.width = batch.flux.shape[1];
    result.flux = batch.flux.as<float>();
    if (batch.mask && request.options.use_mask) result.mask = batch.mask.as<std::uint8_t>();
    if (batch.inverse_variance) result.inverse_variance = batch.inverse_variance.as<float>();
    if (batch.inverse_variance_known) {
        result.inverse_variance_known = batch.inverse_variance_known.as<std::uint8_t>();
    }
    if (batch.lengths) result.lengths = batch.lengths.as<std::int64_t>();
    if (batch.wavelength) {
        result.wavelength = batch.wavelength.as<double>();
        result.wavelength_stride = batch.wavelength.shape.rank() == 1 ? 0 : result.width;
    }
    return result;
}

/// u8 [B, S, S, 3], or f32 or bf16 [B, 3, S, S] with (pixel / 255 - mean) / standard_deviation, or
/// the same values as patch rows [B, N, 3 p p].
template <class T>
struct DeviceImage {
    static constexpr bool is_pixels = sizeof(T) == 1;
    static constexpr int planes = is_pixels ? 1 : 3;

    T* data;
    int side;
    int patch;  ///< p; 0: not patch rows
    float mean[3];
    float standard_deviation[3];

    /// Elements of a row of one plane.
    __device__ int row_elements() const { return is_pixels ? 3 * side : side; }

    /// Sets pixel x of a line [planes, row_elements].
    __device__ void put(T* line, int x, PackedPixel pixel) const {
        BALMER_UNROLL
        for (int c = 0; c < 3; ++c) {
            const PackedPixel level = pixel >> (8 * c) & 0xFFU;
            if constexpr (is_pixels) {
                line[3 * x + c] = static_cast<std::uint8_t>(level);
            } else {
                const float share = static_cast<float>(level) / 255.0F;
                line[c * side + x] = from_float<T>((share - mean[c]) / standard_deviation[c]);
            }
        }
    }

    /// Rows `top` to `top + height - 1` of image `index` all become `line`; the whole block.
    __device__ void write(std::int64_t index, int top, int height, const T* line) const {
        constexpr int width = 16 / sizeof(T);
        const bool fits = (patch > 0 ? patch : row_elements()) % width == 0 &&
                          reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
        if (fits) {
            write_groups<width>(index, top, height, line);
        } else {
            write_groups<1>(index, top, height, line);
        }
    }

  private:
    /// Where element x of row y of a plane lies.
    __device__ T* place(std::int64_t index, int plane, int y, int x) const {
        if (patch == 0) return data + ((index * planes + plane) * side + y) * row_elements() + x;
        const int patches = side / patch;
        const std::int64_t row = (index * patches + y / patch) * patches + x / patch;
        return data + ((row * planes + plane) * patch + y % patch) * patch + x % patch;
    }

    template <int width>
    __device__ void write_groups(std::int64_t index, int top, int height, const T* line) const {
        using Elements = Group<T, width>;
        const int row_groups = row_elements() / width;
        const int plane_groups = height * row_groups;
        const int step = static_cast<int>(blockDim.x);
        for (int i = static_cast<int>(threadIdx.x); i < planes * plane_groups; i += step) {
            const int plane = i / plane_groups;
            const int y = i % plane_groups / row_groups;
            const int group = i % row_groups;
            *reinterpret_cast<Elements*>(place(index, plane, top + y, group * width)) =
                reinterpret_cast<const Elements*>(line)[plane * row_groups + group];
        }
    }
};

template <class T>
DeviceImage<T> device_image(const ImageRequest& request) {
    const ImageOptions& options = request.options;
    DeviceImage<T> result{};
    result.data = request.output.as<T>();
    result.side = options.image_size;
    result.patch = request.output.shape.rank() == 3 ? options.patch_size : 0;
    for (int c = 0; c < 3; ++c) {
        result.mean[c] = options.mean[c];
        result.standard_deviation[c] = options.standard_deviation[c];
    }
    return result;
}

/// Calls `body(type_tag<T>{})` with the output's element type.
template <class Body>
void dispatch_output(const ImageRequest& request, const Body& body) {
    if (request.output.dtype == DType::u8) return body(type_tag<std::uint8_t>{});
    if (request.output.dtype == DType::bf16) return body(type_tag<bfloat16>{});
    body(type_tag<float>{});
}

/// The shared memory of a line.
template <class T>
std::size_t line_bytes(const ImageRequest& request) {
    return shared_bytes_of(std::size_t{3} * request.options.image_size * sizeof(T));
}

}  // namespace cuda_build / simt_build
}  // namespace balmer::render
