#pragma once
// The products of patch_product.cuh in plain f32 multiply-adds, for every size and alignment.
//
// A block computes 64 x 64 elements, 16 of k a step, a thread 4 x 4 of them: 16 multiply-adds for
// two reads of 16 bytes from shared memory, most of which warps share. The next step's elements
// wait in registers meanwhile.

#include "kernels/patch_embed/patch_product.cuh"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

inline constexpr int fma_tile = 64;
inline constexpr int fma_step = 16;
inline constexpr int fma_stride = fma_tile + 4;  // keeps rows aligned to 16 bytes, off one bank
inline constexpr int fma_elements = fma_step * fma_stride;

/// Reads the tiles of one operand, four elements a thread and step, along its rows in memory.
template <class T, bool is_transposed>
class ElementLoader {
  public:
    __device__ __forceinline__ ElementLoader(const Matrix& matrix, unsigned first, unsigned limit)
        : inner_(static_cast<int>(threadIdx.x) % inner_count),
          outer_(static_cast<int>(threadIdx.x) / inner_count) {
        BALMER_UNROLL
        for (int i = 0; i < count; ++i) {
            const unsigned at = first + (is_transposed ? inner_ : outer_ + i * outer_step);
            is_inside_[i] = at < limit;
            fixed_[i] = Cursor(is_transposed ? matrix.columns : matrix.rows, at).offset();
        }
    }

    __device__ __forceinline__ void read(const Matrix& matrix, unsigned k, unsigned k_end) {
        const T* data = static_cast<const T*>(matrix.data);
        BALMER_UNROLL
        for (int i = 0; i < count; ++i) {
            const unsigned at = k + (is_transposed ? outer_ + i * outer_step : inner_);
            const Axis& axis = is_transposed ? matrix.rows : matrix.columns;
            values_[i] = is_inside_[i] && at < k_end
                             ? to_float(data[fixed_[i] + Cursor(axis, at).offset()])
                             : 0.0F;
        }
    }

    __device__ __forceinline__ void write(float* tile) const {
        BALMER_UNROLL
        for (int i = 0; i < count; ++i) {
            const int outer = outer_ + i * outer_step;
            tile[(is_transposed ? outer : inner_) * fma_stride + (is_transposed ? inner_ : outer)] =
                values_[i];
        }
    }

  private:
    static constexpr int count = fma_tile * fma_step / product_threads;
    static constexpr int inner_count = is_transposed ? fma_tile : fma_step;
    static constexpr int outer_step = product_threads / inner_count;

    int inner_;
    int outer_;
    bool is_inside_[count];
    std::int64_t fixed_[count];
    float values_[count];
};

template <ProductKind kind, class T>
__global__ void __launch_bounds__(product_threads) product_fma_kernel(Product product) {
    SharedMemory memory;
    float* tile_a = memory.array<float>(fma_elements);  // [k][m]
    float* tile_b = memory.array<float>(fma_elements);  // [k][n]
    const int row = static_cast<int>(threadIdx.x) / 16 * 4;
    const int column = static_cast<int>(threadIdx.x) % 16 * 4;
    const unsigned column_tiles = (product.n + fma_tile - 1) / fma_tile;
    const unsigned m = blockIdx.x / column_tiles * fma_tile;
    const unsigned n = blockIdx.x % column_tiles * fma_tile;
    const unsigned k_begin = blockIdx.y * product.k_of_split;
    const unsigned k_end = min(product.k, k_begin + product.k_of_split);

    ElementLoader<T, is_transposed_a(kind)> a(product.a, m, product.m);
    ElementLoader<T, is_transposed_b(kind)> b(product.b, n, product.n);
    float sums[4][4] = {};
    a.read(product.a, k_begin, k_end);
    b.read(product.b, k_begin, k_end);
    for (unsigned k = k_begin; k < k_end; k += fma_step) {
        a.write(tile_a);
        b.write(tile_b);
        __syncthreads();
        a.read(product.a, k + fma_step, k_end);
        b.read(product.b, k + fma_step, k_end);
        BALMER_UNROLL
        for (int i = 0; i < fma_step; ++i) {
            float left[4];
            float right[4];
            load_floats(left, tile_a + i * fma_stride + row);
            load_floats(right, tile_b + i * fma_stride + column);
            BALMER_UNROLL
            for (int r = 0; r < 4; ++r) {
                BALMER_UNROLL
                for (int c = 0; c < 4; ++c) {
                    sums[r][c] = fused_multiply_add(left[r], right[c], sums[r][c]);
                }
            }
        }
        __syncthreads();
    }
    BALMER_UNROLL
    for (int r = 0; r < 4; ++r) {
        BALMER_UNROLL
        for (int c = 0; c < 4; ++c) {
            if (m + row + r >= product.m || n + column + c >= product.n) continue;
            finish<kind, T>(product, m + row + r, n + column + c, {sums[r][c]});
        }
    }
}

}  // namespace cuda_build / simt_build
}  // namespace balmer::kernels
