#pragma once
// Products of tiles in f32, from which the general kernels are made: 256 threads multiply 64 x 64
// numbers, thread 16 y + x those of rows 4 y + i and columns 4 x + j. Operands pass through shared
// memory in chunks of 16 along the summed dimension, which serve 64 rows each: 16 FMA a thread for
// two reads of 16 bytes. Every stride and every head dimension will do.

#include "kernels/attention/attention_device.cuh"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

inline constexpr int general_threads = 256;
inline constexpr int tile_size = 64;
inline constexpr int tile_stride = tile_size + 1;  ///< of a tile of scores in shared memory
inline constexpr int chunk_size = 16;
inline constexpr int chunk_stride = tile_size + 4;  ///< keeps four rows aligned to 16 bytes

/// Tokens [first, first + 64) of a head, those before `end` that the mask lets take part; 0
/// elsewhere.
template <class T>
struct Tokens {
    Rows<const T> rows;
    const std::uint8_t* mask;
    int first;
    int end;
    int depth;

    __device__ float at(int token, int column) const {
        if (column >= depth || !is_visible(mask, first + token, end)) return 0.0F;
        return to_float(rows[first + token][column]);
    }
};

/// Operands [64, n]: tokens by columns, columns `first_column` on by tokens, and scores.
template <class T>
struct ByColumn {
    Tokens<T> tokens;
    static constexpr bool is_contiguous_along_sum = true;
    __device__ float at(int row, int k) const { return tokens.at(row, k); }
};
template <class T>
struct ByToken {
    Tokens<T> tokens;
    int first_column;
    static constexpr bool is_contiguous_along_sum = false;
    __device__ float at(int row, int k) const { return tokens.at(k, first_column + row); }
};
struct Scores {
    const float* tile;  ///< [64, tile_stride] in shared memory
    static constexpr bool is_contiguous_along_sum = true;
    __device__ float at(int row, int k) const { return tile[row * tile_stride + k]; }
};

/// chunk[k][row] = operand(row, first + k).
template <class Operand>
__device__ __forceinline__ void fill_chunk(float* chunk, const Operand& operand, int first) {
    constexpr bool is_along = Operand::is_contiguous_along_sum;
    for (auto i = static_cast<int>(threadIdx.x); i < tile_size * chunk_size; i += general_threads) {
        const int row = is_along ? i / chunk_size : i % tile_size;
        const int k = is_along ? i % chunk_size : i / tile_size;
        chunk[k * chunk_stride + row] = operand.at(row, first + k);
    }
}

/// Shared memory that products use.
struct Chunks {
    float* left;
    float* right;
};

/// sums[i][j] += sum over k < n of left(4 y + i, k) right(4 x + j, k), in the order of k. Ends with
/// a barrier; what the operands read from shared memory must be behind one.
template <class Left, class Right>
__device__ __forceinline__ void multiply_add(float (&sums)[4][4], const Left& left,
                                             const Right& right, int n, const Chunks& chunks) {
    const auto x = static_cast<int>(threadIdx.x % 16U);
    const auto y = static_cast<int>(threadIdx.x / 16U);
    for (int first = 0; first < n; first += chunk_size) {
        fill_chunk(chunks.left, left, first);
        fill_chunk(chunks.right, right, first);
        __syncthreads();
        BALMER_UNROLL
        for (int k = 0; k < chunk_size; ++k) {
            struct alignas(16) Four {
                float values[4];
            };
            const Four a = *reinterpret_cast<const Four*>(chunks.left + k * chunk_stride + 4 * y);
            const Four b = *reinterpret_cast<const Four*>(chunks.right + k * chunk_stride + 4 * x);
            BALMER_UNROLL
            for (int i = 0; i < 4; ++i) {
                BALMER_UNROLL
                for (int j = 0; j < 4; ++j) {
                    sums[i][j] = fused_multiply_add(a.values[i], b.values[j], sums[i][j]);
                }
            }
        }
        __syncthreads();
    }
}

/// Writes sums times a factor a row to columns [first_column, ...) of tokens [first_row, end).
template <class T>
__device__ __forceinline__ void store_sums(const Rows<T>& rows, int first_row, int end,
                                           int first_column, int depth, const float (&sums)[4][4],
                                           const float (&factors)[4]) {
    const auto x = static_cast<int>(threadIdx.x % 16U);
    const auto y = static_cast<int>(threadIdx.x / 16U);
    BALMER_UNROLL
    for (int i = 0; i < 4; ++i) {
        const int row = first_row + 4 * y + i;
        if (row >= end) continue;
        BALMER_UNROLL
        for (int j = 0; j < 4; ++j) {
            const int column = first_column + 4 * x + j;
            if (column < depth) rows[row][column] = from_float<T>(sums[i][j] * factors[i]);
        }
    }
}

/// Which tile of tokens, columns and head a block takes: tiles fastest, then columns, then heads.
struct GeneralBlock {
    int first_row;
    int first_column;
    int head;
    int batch;

    __device__ GeneralBlock(int tiles, int columns, int heads) {
        const auto block = static_cast<int>(blockIdx.x);
        first_row = block % tiles * tile_size;
        first_column = block / tiles % columns * tile_size;
        head = block / tiles / columns % heads;
        batch = block / tiles / columns / heads;
    }
};

inline int tiles_for(std::int64_t count) {
    return static_cast<int>((count + tile_size - 1) / tile_size);
}

/// A block for every tile of `tokens`, 64 columns of the head dimension and head.
template <class Arguments>
LaunchShape general_shape(const Arguments& arguments, std::int64_t tokens) {
    const Shape& shape = arguments.query.shape;
    const std::int64_t blocks = shape[0] * shape[2] * tiles_for(tokens) * tiles_for(shape[3]);
    return {{static_cast<unsigned>(blocks)},
            general_threads,
            2 * shared_bytes_of(sizeof(float) * chunk_size * chunk_stride) +
                shared_bytes_of(sizeof(float) * tile_size * tile_stride)};
}

#if defined(__CUDACC__)
}  // namespace cuda_build
#else
}  // namespace simt_build
#endif
}  // namespace balmer::kernels
