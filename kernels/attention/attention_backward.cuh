#pragma once
// The backward pass on tensor cores, which the short and the streaming kernels share. With
// c = scale log2 e, L = log2 e log_sum_exp and delta[t] = dO[t] O[t],
//   P[t, s] = 2^(c Q[t] K[s] - L[t]),  dS = P (dO V^T - delta)
//   dV = P^T dO,  dK = scale dS^T Q,  dQ = scale dS K
// L and delta of the queries are made first; beyond the last query stand L = infinity and
// delta = 0, which make P and dS 0.
//
// A warp that owns keys forms S^T = K Q^T and dP^T = V dO^T: their rows are its keys, so P^T and
// dS^T, rounded to bf16, are already the A of the products with dO and Q.

#include "kernels/attention/attention_device.cuh"
#include "kernels/core/buffer.h"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

/// This lane's share of a row's a b: with a width of 8 the eight elements from 8 part on, else
/// elements part, part + lanes, ...
template <class T, int width, int lanes>
__device__ __forceinline__ float partial_product(const T* a, const T* b, int part, int depth) {
    static_assert(width == 1 || width == 8);
    float sum = 0.0F;
    if constexpr (width == 8) {
        const EightElements left = load_eight(a + 8 * part);
        const EightElements right = load_eight(b + 8 * part);
        BALMER_UNROLL
        for (int k = 0; k < 4; ++k) {
            sum += low_bf16(left.pairs[k]) * low_bf16(right.pairs[k]);
            sum += high_bf16(left.pairs[k]) * high_bf16(right.pairs[k]);
        }
    } else {
        for (int i = part; i < depth; i += lanes) sum += to_float(a[i]) * to_float(b[i]);
    }
    return sum;
}

/// L and delta of a query.
struct QueryStatistics {
    float log2_sum_exp;
    float delta;
};

/// What `lanes` neighbouring lanes read of a query for its statistics: loads without a use, so that
/// those of several queries are under way together.
template <class T, int width, int lanes>
__device__ __forceinline__ QueryStatistics read_statistics(const BackwardInputs<T>& in, int batch,
                                                           int head, int query) {
    const int part = static_cast<int>(threadIdx.x % unsigned{lanes});
    const int row = min(query, in.queries - 1);
    const std::int64_t first = (std::int64_t{batch} * in.heads + head) * in.queries;
    return {
        in.log_sum_exp[first + row],
        partial_product<T, width, lanes>(in.out.rows(batch, head)[row],
                                         in.out_gradient.rows(batch, head)[row], part, in.depth)};
}

/// The statistics in each of the lanes that read them.
template <int lanes>
__device__ __forceinline__ QueryStatistics finish_statistics(const QueryStatistics& read,
                                                             bool is_query) {
    float delta = read.delta;
    BALMER_UNROLL
    for (int distance = lanes / 2; distance > 0; distance /= 2) {
        delta += __shfl_xor_sync(full_warp, delta, distance);
    }
    if (!is_query) return {std::numeric_limits<float>::infinity(), 0.0F};
    return {read.log2_sum_exp * log2_e, delta};
}

/// L and delta of all queries, [B, H, padded] each.
template <class T, int width, int lanes>
__global__ void __launch_bounds__(256)
    attention_statistics_kernel(float* log2_sum_exps, float* deltas, BackwardInputs<T> in,
                                int padded, std::int64_t rows) {
    const std::int64_t row = (std::int64_t{blockIdx.x} * 256 + threadIdx.x) / lanes;
    const std::int64_t known = row < rows ? row : rows - 1;
    const auto head = known / padded;
    const auto query = static_cast<int>(known % padded);
    const QueryStatistics statistics = finish_statistics<lanes>(
        read_statistics<T, width, lanes>(in, static_cast<int>(head / in.heads),
                                         static_cast<int>(head % in.heads), query),
        query < in.queries);
    if (row < rows && threadIdx.x % unsigned{lanes} == 0) {
        log2_sum_exps[row] = statistics.log2_sum_exp;
        deltas[row] = statistics.delta;
    }
}

/// Where the statistics of all queries stand: rows of each head padded to a multiple of 64.
class StatisticsBuffer {
  public:
    StatisticsBuffer(const Context& context, const AttentionBackward& arguments)
        : padded_((static_cast<int>(arguments.query.shape[1]) + 63) / 64 * 64),
          rows_(arguments.query.shape[0] * arguments.query.shape[2] * padded_),
          memory_(context, 2 * sizeof(float) * static_cast<std::size_t>(rows_)) {}

    float* log2_sum_exps() const { return static_cast<float*>(memory_.data()); }
    float* deltas() const { return log2_sum_exps() + rows_; }
    int padded() const { return padded_; }

    template <class T, int width, int lanes>
    void fill(const Context& context, const BackwardInputs<T>& in) const {
        const std::int64_t blocks = (rows_ * lanes + 255) / 256;
        launch("attention_statistics", context, attention_statistics_kernel<T, width, lanes>,
               {{static_cast<unsigned>(blocks)}, 256}, log2_sum_exps(), deltas(), in, padded_,
               rows_);
    }

  private:
    int padded_;
    std::int64_t rows_;
    Buffer memory_;
};

/// Tiles in shared memory with the rows that a warp works on.
struct BackwardTiles {
    bfloat16* keys;
    bfloat16* values;
    bfloat16* queries;
    bfloat16* out_gradients;
    const float* log2_sum_exps;  ///< of the tile's queries
    const float* deltas;
};

/// P^T and dS^T of 16 `slabs` keys, whose slab a starts at row key_rows[a] of the tiles, and of the
/// 16 queries from row `query` on. `visible` has a bit for each key.
template <int depth, int slabs>
__device__ __forceinline__ void differentiate_scores(std::uint32_t (&p)[slabs][4],
                                                     std::uint32_t (&ds)[slabs][4],
                                                     const BackwardTiles& tiles,
                                                     const int (&key_rows)[slabs], int query,
                                                     std::uint32_t visible, float scale_log2) {
    float s[slabs][2][4];
    float dp[slabs][2][4];
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        clear(s[a]);
        clear(dp[a]);
    }
    BALMER_UNROLL
    for (int k = 0; k < depth / 16; ++k) {
        std::uint32_t q[4];
        std::uint32_t g[4];
        load_b<depth>(q, tiles.queries, query, k);
        load_b<depth>(g, tiles.out_gradients, query, k);
        BALMER_UNROLL
        for (int a = 0; a < slabs; ++a) {
            std::uint32_t key[4];
            std::uint32_t value[4];
            load_a<depth>(key, tiles.keys, key_rows[a], k);
            load_a<depth>(value, tiles.values, key_rows[a], k);
            mma_bf16(s[a][0], key, q[0], q[1]);
            mma_bf16(s[a][1], key, q[2], q[3]);
            mma_bf16(dp[a][0], value, g[0], g[1]);
            mma_bf16(dp[a][1], value, g[2], g[3]);
        }
    }
    const int lane = own_lane();
    BALMER_UNROLL
    for (int j = 0; j < 2; ++j) {
        const int column = query + 8 * j + 2 * (lane % 4);
        using Two = Group<float, 2>;
        const Two shift = *reinterpret_cast<const Two*>(tiles.log2_sum_exps + column);
        const Two delta = *reinterpret_cast<const Two*>(tiles.deltas + column);
        BALMER_UNROLL
        for (int a = 0; a < slabs; ++a) {
            BALMER_UNROLL
            for (int half = 0; half < 2; ++half) {
                const bool is_seen = (visible >> (16 * a + 8 * half + lane / 4) & 1U) != 0;
                float pair[2];
                float gradient[2];
                BALMER_UNROLL
                for (int i = 0; i < 2; ++i) {
                    const float x = exp2_approximate(
                        fused_multiply_add(s[a][j][2 * half + i], scale_log2, -shift.values[i]));
                    pair[i] = is_seen ? x : 0.0F;
                    gradient[i] = is_seen ? x * (dp[a][j][2 * half + i] - delta.values[i]) : 0.0F;
                }
                p[a][2 * j + half] = pack_bf16(pair[0], pair[1]);
                ds[a][2 * j + half] = pack_bf16(gradient[0], gradient[1]);
            }
        }
    }
}

/// dV += P^T dO and dK += dS^T Q, for the 16 queries from row `query` on.
template <int depth, int slabs>
__device__ __forceinline__ void add_key_gradients(float (&dk)[slabs][depth / 8][4],
                                                  float (&dv)[slabs][depth / 8][4],
                                                  const std::uint32_t (&p)[slabs][4],
                                                  const std::uint32_t (&ds)[slabs][4],
                                                  const BackwardTiles& tiles, int query) {
    BALMER_UNROLL
    for (int j = 0; j < depth / 16; ++j) {
        std::uint32_t g[4];
        std::uint32_t q[4];
        load_b_as_is<depth>(g, tiles.out_gradients, query, j);
        load_b_as_is<depth>(q, tiles.queries, query, j);
        BALMER_UNROLL
        for (int a = 0; a < slabs; ++a) {
            mma_bf16(dv[a][2 * j], p[a], g[0], g[1]);
            mma_bf16(dv[a][2 * j + 1], p[a], g[2], g[3]);
            mma_bf16(dk[a][2 * j], ds[a], q[0], q[1]);
            mma_bf16(dk[a][2 * j + 1], ds[a], q[2], q[3]);
        }
    }
}

#if defined(__CUDACC__)
}  // namespace cuda_build
#else
}  // namespace simt_build
#endif
}  // namespace balmer::kernels
