// The backward pass of attention for what the tensor core kernels decline (equations in
// attention_backward.cuh): L and delta of every query; dK and dV, by blocks that own 64 keys and 64
// columns while the queries go by; dQ, by blocks that own queries while the keys go by. f32
// arithmetic throughout; seven products, no atomics, the same bits always.

#include "kernels/attention/attention_backward.cuh"
#include "kernels/attention/attention_cuda.h"
#include "kernels/attention/attention_general.cuh"

namespace balmer::kernels {
namespace {

/// P and dS of one score.
struct Differentiated {
    float p;
    float ds;
};

/// Hidden keys and rows beyond the last query have no part, whatever their scores.
__device__ __forceinline__ Differentiated differentiate(float s, float dp, float scale_log2,
                                                        const QueryStatistics& query,
                                                        bool is_seen) {
    if (!is_seen) return {0.0F, 0.0F};
    const float p = exp2f(fused_multiply_add(s, scale_log2, -query.log2_sum_exp));
    return {p, p * (dp - query.delta)};
}

__device__ __forceinline__ float& score_at(float* tile, int i, int j) {
    const auto x = static_cast<int>(threadIdx.x % 16U);
    const auto y = static_cast<int>(threadIdx.x / 16U);
    return tile[(4 * y + i) * tile_stride + 4 * x + j];
}

/// dK and dV; rows of the tiles of scores are keys.
template <class T>
__global__ void __launch_bounds__(general_threads, 1)
    attention_general_key_gradients_kernel(BackwardInputs<T> in, const float* log2_sum_exps,
                                           const float* deltas, int padded, int tiles,
                                           int columns) {
    SharedMemory shared;
    auto* left = shared.array<float>(chunk_size * chunk_stride);
    auto* right = shared.array<float>(chunk_size * chunk_stride);
    auto* scores = shared.array<float>(tile_size * tile_stride);
    const Chunks chunks{left, right};
    const GeneralBlock block(tiles, columns, in.heads);
    const auto x = static_cast<int>(threadIdx.x % 16U);
    const auto y = static_cast<int>(threadIdx.x / 16U);
    const std::uint8_t* mask = in.mask_of(block.batch);
    const float scale_log2 = in.scale * log2_e;
    const std::int64_t statistics = (std::int64_t{block.batch} * in.heads + block.head) * padded;
    const auto own = [&](const Heads<const T>& heads) {
        return ByColumn<T>{
            {heads.rows(block.batch, block.head), mask, block.first_row, in.keys, in.depth}};
    };
    const ByColumn<T> keys = own(in.key);
    const ByColumn<T> values = own(in.value);
    bool is_seen[4];
    BALMER_UNROLL
    for (int i = 0; i < 4; ++i) {
        is_seen[i] = is_visible(mask, block.first_row + 4 * y + i, in.keys);
    }

    float dk[4][4];
    float dv[4][4];
    clear(dk);
    clear(dv);
    for (int first = 0; first < in.queries; first += tile_size) {
        const Tokens<T> queries{in.query.rows(block.batch, block.head), nullptr, first, in.queries,
                                in.depth};
        const Tokens<T> out_gradients{in.out_gradient.rows(block.batch, block.head), nullptr, first,
                                      in.queries, in.depth};
        float s[4][4];
        float dp[4][4];
        clear(s);
        clear(dp);
        multiply_add(s, keys, ByColumn<T>{queries}, in.depth, chunks);
        multiply_add(dp, values, ByColumn<T>{out_gradients}, in.depth, chunks);
        BALMER_UNROLL
        for (int j = 0; j < 4; ++j) {
            const int query = first + 4 * x + j;
            const QueryStatistics own_query{log2_sum_exps[statistics + query],
                                            deltas[statistics + query]};
            BALMER_UNROLL
            for (int i = 0; i < 4; ++i) {
                const Differentiated both = differentiate(s[i][j], dp[i][j], scale_log2, own_query,
                                                          is_seen[i] && query < in.queries);
                score_at(scores, i, j) = both.p;
                s[i][j] = both.ds;
            }
        }
        __syncthreads();
        multiply_add(dv, Scores{scores}, ByToken<T>{out_gradients, block.first_column}, tile_size,
                     chunks);
        BALMER_UNROLL
        for (int i = 0; i < 4; ++i) {
            BALMER_UNROLL
            for (int j = 0; j < 4; ++j) score_at(scores, i, j) = s[i][j];
        }
        __syncthreads();
        multiply_add(dk, Scores{scores}, ByToken<T>{queries, block.first_column}, tile_size,
                     chunks);
    }
    const float by_scale[4] = {in.scale, in.scale, in.scale, in.scale};
    const float as_is[4] = {1.0F, 1.0F, 1.0F, 1.0F};
    store_sums(in.key_gradient.rows(block.batch, block.head), block.first_row, in.keys,
               block.first_column, in.depth, dk, by_scale);
    store_sums(in.value_gradient.rows(block.batch, block.head), block.first_row, in.keys,
               block.first_column, in.depth, dv, as_is);
}

/// dQ; rows of the tiles of scores are queries.
template <class T>
__global__ void __launch_bounds__(general_threads, 1)
    attention_general_query_gradients_kernel(BackwardInputs<T> in, const float* log2_sum_exps,
                                             const float* deltas, int padded, int tiles,
                                             int columns) {
    SharedMemory shared;
    auto* left = shared.array<float>(chunk_size * chunk_stride);
    auto* right = shared.array<float>(chunk_size * chunk_stride);
    auto* scores = shared.array<float>(tile_size * tile_stride);
    const Chunks chunks{left, right};
    const GeneralBlock block(tiles, columns, in.heads);
    const auto x = static_cast<int>(threadIdx.x % 16U);
    const auto y = static_cast<int>(threadIdx.x / 16U);
    const std::uint8_t* mask = in.mask_of(block.batch);
    const float scale_log2 = in.scale * log2_e;
    const std::int64_t statistics =
        (std::int64_t{block.batch} * in.heads + block.head) * padded + block.first_row;
    const auto own = [&](const Heads<const T>& heads) {
        return ByColumn<T>{
            {heads.rows(block.batch, block.head), nullptr, block.first_row, in.queries, in.depth}};
    };
    const ByColumn<T> queries = own(in.query);
    const ByColumn<T> out_gradients = own(in.out_gradient);
    QueryStatistics own_query[4];
    BALMER_UNROLL
    for (int i = 0; i < 4; ++i) {
        own_query[i] = {log2_sum_exps[statistics + 4 * y + i], deltas[statistics + 4 * y + i]};
    }

    float dq[4][4];
    clear(dq);
    for (int first = 0; first < in.keys; first += tile_size) {
        const Tokens<T> keys{in.key.rows(block.batch, block.head), mask, first, in.keys, in.depth};
        const Tokens<T> values{in.value.rows(block.batch, block.head), mask, first, in.keys,
                               in.depth};
        float s[4][4];
        float dp[4][4];
        clear(s);
        clear(dp);
        multiply_add(s, queries, ByColumn<T>{keys}, in.depth, chunks);
        multiply_add(dp, out_gradients, ByColumn<T>{values}, in.depth, chunks);
        BALMER_UNROLL
        for (int j = 0; j < 4; ++j) {
            const bool is_seen = is_visible(mask, first + 4 * x + j, in.keys);
            BALMER_UNROLL
            for (int i = 0; i < 4; ++i) {
                score_at(scores, i, j) =
                    differentiate(s[i][j], dp[i][j], scale_log2, own_query[i], is_seen).ds;
            }
        }
        __syncthreads();
        multiply_add(dq, Scores{scores}, ByToken<T>{keys, block.first_column}, tile_size, chunks);
    }
    const float by_scale[4] = {in.scale, in.scale, in.scale, in.scale};
    store_sums(in.query_gradient.rows(block.batch, block.head), block.first_row, in.queries,
               block.first_column, in.depth, dq, by_scale);
}

template <class T>
void run(const Context& context, const AttentionBackward& arguments) {
    const auto in = inputs_of_backward<T>(arguments);
    const StatisticsBuffer statistics(context, arguments);
    statistics.fill<T, 1, lanes_per_warp>(context, in);
    launch("attention_general_key_gradients", context, attention_general_key_gradients_kernel<T>,
           general_shape(arguments, in.keys), in, statistics.log2_sum_exps(), statistics.deltas(),
           statistics.padded(), tiles_for(in.keys), tiles_for(in.depth));
    launch("attention_general_query_gradients", context,
           attention_general_query_gradients_kernel<T>, general_shape(arguments, in.queries), in,
           statistics.log2_sum_exps(), statistics.deltas(), statistics.padded(),
           tiles_for(in.queries), tiles_for(in.depth));
}

}  // namespace

template <DeviceType device>
std::string accepts_attention_backward_general(const Context& context,
                                               const AttentionBackward& arguments) {
    return accepts_on(device, context, arguments.query.dtype);
}

template <DeviceType device>
void attention_backward_general(const Context& context, const AttentionBackward& arguments) {
    if (arguments.query.dtype == DType::bf16) return run<bfloat16>(context, arguments);
    run<float>(context, arguments);
}

template std::string accepts_attention_backward_general<this_device>(const Context&,
                                                                     const AttentionBackward&);
template void attention_backward_general<this_device>(const Context&, const AttentionBackward&);

}  // namespace balmer::kernels
