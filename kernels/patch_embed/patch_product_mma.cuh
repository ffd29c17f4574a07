#pragma once
// The products of patch_product.cuh on tensor cores, for bf16 operands whose rows come in aligned
// runs of 8.
//
// A block computes 128 x 128 elements, 32 of k a step; 8 warps of 64 x 32 with 64 sums a thread in
// registers. A step moves 16 KB into shared memory by asynchronous copies of 16 bytes, three steps
// in flight (48 KB a block, two blocks an SM), and feeds 256 mma: 64 multiply-adds a byte. Chunks
// of a tile's row are permuted by the row's number, so that the 8 rows of an ldmatrix lie in 32
// different banks. Sums leave through shared memory, half a tile at a time, so that every thread
// adds bias and position to, and writes, 8 neighbours at once.

#include "kernels/patch_embed/patch_product.cuh"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

inline constexpr int mma_tile = 128;
inline constexpr int mma_step = 32;
inline constexpr int mma_stages = 3;
inline constexpr int mma_tile_elements = mma_tile * mma_step;
inline constexpr int mma_output_stride = mma_tile + 8;  // spreads a fragment's rows over the banks
inline constexpr int mma_shared_elements = mma_stages * 2 * mma_tile_elements;
static_assert(mma_shared_elements * 2 >= mma_tile / 2 * mma_output_stride * 4);

/// Where a chunk of 8 elements lies in a tile: [128][32] as it is multiplied, or [32][128] where
/// the operand is stored with k as its rows.
template <bool is_transposed>
__device__ __forceinline__ int chunk_place(int row, int chunk) {
    return is_transposed ? row * mma_tile + (chunk ^ (row & 7)) * 8
                         : row * mma_step + (chunk ^ ((row >> 1) & 3)) * 8;
}

/// Copies the tiles of one operand, two chunks a thread and step.
template <bool is_transposed>
class TileLoader {
  public:
    __device__ __forceinline__ TileLoader(const Matrix& matrix, unsigned first, unsigned limit,
                                          unsigned k)
        : chunk_(static_cast<int>(threadIdx.x) % chunks),
          row_(static_cast<int>(threadIdx.x) / chunks),
          k_(k + (is_transposed ? row_ : chunk_ * 8)),
          moving_{Cursor(is_transposed ? matrix.rows : matrix.columns, k_),
                  Cursor(matrix.rows, is_transposed ? k_ + rows_apart : 0)} {
        const unsigned at = first + (is_transposed ? chunk_ * 8 : row_);
        is_inside_[0] = at < limit;
        is_inside_[1] = (is_transposed ? at : at + rows_apart) < limit;
        fixed_[0] = Cursor(is_transposed ? matrix.columns : matrix.rows, at).offset();
        fixed_[1] = is_transposed ? 0 : Cursor(matrix.rows, at + rows_apart).offset();
    }

    /// Copies the next 32 of k below `k_end`; zeros beyond.
    __device__ __forceinline__ void load(const Matrix& matrix, bfloat16* tile, unsigned k_end) {
        const auto* data = static_cast<const bfloat16*>(matrix.data);
        BALMER_UNROLL
        for (int i = 0; i < 2; ++i) {
            const std::int64_t offset =
                is_transposed ? fixed_[0] + moving_[i].offset() : fixed_[i] + moving_[0].offset();
            const bool is_valid =
                is_inside_[i] && k_ + (is_transposed ? i * rows_apart : 0) < k_end;
            copy_async_16(tile + chunk_place<is_transposed>(row_ + i * rows_apart, chunk_),
                          data + (is_valid ? offset : 0), is_valid);
        }
        k_ += mma_step;
        moving_[0].advance(is_transposed ? matrix.rows : matrix.columns, mma_step);
        if (is_transposed) moving_[1].advance(matrix.rows, mma_step);
    }

  private:
    static constexpr int chunks = (is_transposed ? mma_tile : mma_step) / 8;
    static constexpr int rows_apart = product_threads / chunks;

    int chunk_;
    int row_;
    unsigned k_;
    bool is_inside_[2];
    std::int64_t fixed_[2];
    Cursor moving_[2];
};

/// The 16 x 16 of an operand from (first, k) of a tile on: A fragments as rows, B fragments (two of
/// 8) as columns.
template <bool is_transposed, bool is_a>
__device__ __forceinline__ void load_fragment(std::uint32_t (&fragment)[4], const bfloat16* tile,
                                              int first, int k) {
    const int lane = static_cast<int>(threadIdx.x) % lanes_per_warp;
    const int low = lane / 8 % 2;
    const int high = lane / 16;
    // Registers of A: k is the slower bit of a matrix's number; of B: the faster one.
    const int k_half = is_a ? high : low;
    const int first_half = is_a ? low : high;
    if constexpr (is_transposed) {
        ldmatrix_x4_transposed(
            fragment, tile + chunk_place<true>(k + k_half * 8 + lane % 8, first / 8 + first_half));
    } else {
        ldmatrix_x4(fragment,
                    tile + chunk_place<false>(first + first_half * 8 + lane % 8, k / 8 + k_half));
    }
}

template <ProductKind kind>
__global__ void __launch_bounds__(product_threads, 2) product_mma_kernel(Product product) {
    constexpr bool transposed_a = is_transposed_a(kind);
    constexpr bool transposed_b = is_transposed_b(kind);
    SharedMemory memory;
    auto* tiles = memory.array<bfloat16>(mma_shared_elements);  // [stage][a or b][tile]
    const int warp = static_cast<int>(threadIdx.x) / lanes_per_warp;
    const int lane = static_cast<int>(threadIdx.x) % lanes_per_warp;
    const int warp_row = warp / 4;
    const int warp_column = warp % 4;
    const unsigned column_tiles = (product.n + mma_tile - 1) / mma_tile;
    const unsigned m = blockIdx.x / column_tiles * mma_tile;
    const unsigned n = blockIdx.x % column_tiles * mma_tile;
    const unsigned k_begin = blockIdx.y * product.k_of_split;
    const unsigned k_end = min(product.k, k_begin + product.k_of_split);
    const int steps = static_cast<int>((k_end - k_begin + mma_step - 1) / mma_step);

    TileLoader<transposed_a> a(product.a, m, product.m, k_begin);
    TileLoader<transposed_b> b(product.b, n, product.n, k_begin);
    const auto load = [&](int step) {
        bfloat16* stage = tiles + step % mma_stages * 2 * mma_tile_elements;
        if (step < steps) {
            a.load(product.a, stage, k_end);
            b.load(product.b, stage + mma_tile_elements, k_end);
        }
        copy_async_commit();
    };
    float sums[4][4][4] = {};
    for (int step = 0; step < mma_stages - 1; ++step) load(step);
    for (int step = 0; step < steps; ++step) {
        copy_async_wait<mma_stages - 2>();
        __syncthreads();
        load(step + mma_stages - 1);
        const bfloat16* stage = tiles + step % mma_stages * 2 * mma_tile_elements;
        BALMER_UNROLL
        for (int k = 0; k < mma_step; k += 16) {
            std::uint32_t right[2][4];
            BALMER_UNROLL
            for (int j = 0; j < 2; ++j) {
                load_fragment<transposed_b, false>(right[j], stage + mma_tile_elements,
                                                   warp_column * 32 + j * 16, k);
            }
            BALMER_UNROLL
            for (int i = 0; i < 4; ++i) {
                std::uint32_t left[4];
                load_fragment<transposed_a, true>(left, stage, warp_row * 64 + i * 16, k);
                BALMER_UNROLL
                for (int j = 0; j < 4; ++j) {
                    mma_bf16(sums[i][j], left, right[j / 2][j % 2 * 2],
                             right[j / 2][j % 2 * 2 + 1]);
                }
            }
        }
    }
    copy_async_wait<0>();
    __syncthreads();

    auto* output = reinterpret_cast<float*>(tiles);  // [64][mma_output_stride]
    for (int half = 0; half < 2; ++half) {
        if (warp_row == half) {
            BALMER_UNROLL
            for (int i = 0; i < 4; ++i) {
                BALMER_UNROLL
                for (int j = 0; j < 4; ++j) {
                    float* place = output + (i * 16 + lane / 4) * mma_output_stride +
                                   warp_column * 32 + j * 8 + lane % 4 * 2;
                    BALMER_UNROLL
                    for (int row = 0; row < 2; ++row) {
                        *reinterpret_cast<Group<float, 2>*>(place + row * 8 * mma_output_stride) = {
                            {sums[i][j][row * 2], sums[i][j][row * 2 + 1]}};
                    }
                }
            }
        }
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.x); i < mma_tile / 2 * mma_tile / 8;
             i += product_threads) {
            const int row = i / (mma_tile / 8);
            const int column = i % (mma_tile / 8) * 8;
            const unsigned at = m + half * (mma_tile / 2) + row;
            if (at >= product.m || n + column >= product.n) continue;
            float values[8];
            load_floats(values, output + row * mma_output_stride + column);
            finish<kind, bfloat16>(product, at, n + column, values);
        }
        __syncthreads();
    }
}

}  // namespace cuda_build / simt_build
}  // namespace balmer::kernels
