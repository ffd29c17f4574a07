#pragma once
// The three matrix products of patch embedding, read from and written to where the operands lie:
//   forward            D [patches, C]  = P  W^T    P: patches, gathered from the image
//   weight gradient    D [C, K]        = G^T P     G: gradient of the tokens but the first of each
//   image gradient     D [patches, K]  = G  W      D: scattered into the image
// An operand is a matrix whose element (i, j) stands at rows.offset(i) + columns.offset(j), each
// index counting through three nested dimensions. So patches need no copy of the image.

#include "kernels/core/device_code.cuh"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

inline constexpr int product_threads = 256;

/// Index (outer * middle_size + middle) * inner_size + inner stands outer * outer_stride +
/// middle * middle_stride + inner * inner_stride elements behind index 0.
struct Axis {
    unsigned inner_size = 1;
    unsigned middle_size = 1;
    std::int64_t inner_stride = 0;
    std::int64_t middle_stride = 0;
    std::int64_t outer_stride = 0;
};

/// An index of an axis on its way upwards: divides once, at its start.
class Cursor {
  public:
    __device__ __forceinline__ Cursor(const Axis& axis, unsigned index) {
        const unsigned line = index / axis.inner_size;
        const unsigned outer = line / axis.middle_size;
        inner_ = index - line * axis.inner_size;
        middle_ = line - outer * axis.middle_size;
        offset_ =
            outer * axis.outer_stride + middle_ * axis.middle_stride + inner_ * axis.inner_stride;
    }
    __device__ __forceinline__ std::int64_t offset() const { return offset_; }
    __device__ __forceinline__ void advance(const Axis& axis, unsigned steps) {
        inner_ += steps;
        offset_ += steps * axis.inner_stride;
        while (inner_ >= axis.inner_size) {
            inner_ -= axis.inner_size;
            offset_ += axis.middle_stride - axis.inner_size * axis.inner_stride;
            if (++middle_ == axis.middle_size) {
                middle_ = 0;
                offset_ += axis.outer_stride - axis.middle_size * axis.middle_stride;
            }
        }
    }

  private:
    unsigned inner_;
    unsigned middle_;
    std::int64_t offset_;
};

struct Matrix {
    void* data = nullptr;
    Axis rows;
    Axis columns;
};

enum class ProductKind : std::uint8_t { forward, weight_gradient, image_gradient };

/// D [m, n] = sum over k. Forward: D is the tokens of patches, to which bias [n] and position
/// [1 + patches, n] are added, and the first token of each image is written too. Weight gradient:
/// `partial` [splits, m, n] gets the sums over each `k_of_split` of the patches.
struct Product {
    Matrix a;
    Matrix b;
    Matrix d;
    unsigned m = 0;
    unsigned n = 0;
    unsigned k = 0;
    unsigned k_of_split = 0;
    unsigned patches = 0;  ///< of one image
    const float* bias = nullptr;
    const float* cls = nullptr;
    const float* position = nullptr;
    float* partial = nullptr;
};

/// True where operand A (B) is stored with k as its rows.
constexpr bool is_transposed_a(ProductKind kind) {
    return kind == ProductKind::weight_gradient;
}
constexpr bool is_transposed_b(ProductKind kind) {
    return kind != ProductKind::forward;
}

template <int width>
__device__ __forceinline__ void load_floats(float (&values)[width], const float* from) {
    constexpr int step = width < 4 ? 1 : 4;
    BALMER_UNROLL
    for (int i = 0; i < width; i += step) {
        const auto group = *reinterpret_cast<const Group<float, step>*>(from + i);
        BALMER_UNROLL
        for (int k = 0; k < step; ++k) values[i + k] = group.values[k];
    }
}

template <class T, int width>
__device__ __forceinline__ void store_rounded(T* to, const float (&values)[width]) {
    constexpr int step = sizeof(T) * width > 16 ? 16 / sizeof(T) : width;
    BALMER_UNROLL
    for (int i = 0; i < width; i += step) {
        Group<T, step> group;
        BALMER_UNROLL
        for (int k = 0; k < step; ++k) group.values[k] = from_float<T>(values[i + k]);
        *reinterpret_cast<Group<T, step>*>(to + i) = group;
    }
}

/// Finishes `width` sums of row m from column n on.
template <ProductKind kind, class T, int width>
__device__ __forceinline__ void finish(const Product& product, unsigned m, unsigned n,
                                       const float (&sums)[width]) {
    if constexpr (kind == ProductKind::weight_gradient) {
        const std::int64_t row = std::int64_t{blockIdx.y} * product.m + m;
        store_rounded(product.partial + row * product.n + n, sums);
        return;
    }
    T* to = static_cast<T*>(product.d.data) + Cursor(product.d.rows, m).offset() +
            Cursor(product.d.columns, n).offset();
    if constexpr (kind == ProductKind::image_gradient) {
        store_rounded(to, sums);
        return;
    }
    const unsigned patch = m % product.patches;
    float bias[width];
    float position[width];
    float values[width];
    load_floats(bias, product.bias + n);
    load_floats(position, product.position + (std::int64_t{patch} + 1) * product.n + n);
    BALMER_UNROLL
    for (int i = 0; i < width; ++i) values[i] = sums[i] + bias[i] + position[i];
    store_rounded(to, values);
    if (patch != 0) return;
    load_floats(bias, product.cls + n);
    load_floats(position, product.position + n);
    BALMER_UNROLL
    for (int i = 0; i < width; ++i) values[i] = bias[i] + position[i];
    store_rounded(to - product.n, values);
}

}  // namespace cuda_build / simt_build
}  // namespace balmer::kernels
