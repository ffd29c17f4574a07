// The backward pass of attention of any length (equations in attention_backward.cuh), in three
// launches: L and delta of every query; dK and dV, by blocks that own keys while the queries of
// their head go by; dQ, by blocks that own queries while the keys go by.
//
// Why it is fast. Blocks that own what they sum need neither atomics nor a second buffer of sums,
// and give the same bits always. The price is that the last two launches form S and dP each: seven
// products instead of five. Own rows stay on the chip, sums in registers, the next tile arrives
// behind the products of this one and one barrier. Two slabs of 16 own rows a warp (one for D =
// 128, whose sums would not fit) share every fragment of the rows that go by; two blocks share a
// multiprocessor.

#include "kernels/attention/attention_backward.cuh"
#include "kernels/attention/attention_cuda.h"

namespace balmer::kernels {
namespace {

constexpr int warps = 4;
constexpr int threads = warps * lanes_per_warp;
constexpr int tile_keys = 64;

/// Queries that go by at a time; a divisor of 64, to which the statistics are padded.
template <int depth>
constexpr int tile_queries = depth == 128 ? 32 : 64;

/// dK and dV of `slabs` times 16 keys a warp; block i takes tile i % tiles of head i / tiles.
template <int depth, int slabs>
__global__ void __launch_bounds__(threads, 2)
    attention_key_gradients_kernel(BackwardInputs<bfloat16> in, const float* log2_sum_exps,
                                   const float* deltas, int padded, int tiles) {
    constexpr int own_rows = warps * 16 * slabs;
    constexpr int rows = tile_queries<depth>;
    SharedMemory shared;
    auto* keys = shared.array<bfloat16>(own_rows * depth);
    auto* values = shared.array<bfloat16>(own_rows * depth);
    auto* queries = shared.array<bfloat16>(2 * rows * depth);
    auto* out_gradients = shared.array<bfloat16>(2 * rows * depth);
    auto* own_log2_sum_exps = shared.array<float>(2 * rows);
    auto* own_deltas = shared.array<float>(2 * rows);

    const int item = static_cast<int>(blockIdx.x) / tiles;
    const int head = item % in.heads;
    const int batch = item / in.heads;
    const int block_row = static_cast<int>(blockIdx.x) % tiles * own_rows;
    const std::uint8_t* mask = in.mask_of(batch);
    const auto copy_tile = [&](int tile) {
        const int place = tile % 2 * rows;
        const int first = tile * rows;
        copy_queries<depth, threads>(queries + place * depth, in.query.rows(batch, head), first,
                                     rows, in.queries);
        copy_queries<depth, threads>(out_gradients + place * depth,
                                     in.out_gradient.rows(batch, head), first, rows, in.queries);
        const auto i = static_cast<int>(threadIdx.x) * 4;
        const std::int64_t from = std::int64_t{item} * padded + first + i;
        if (i < rows) {
            copy_async_16(own_log2_sum_exps + place + i, log2_sum_exps + from, true);
            copy_async_16(own_deltas + place + i, deltas + from, true);
        }
        copy_async_commit();
    };
    copy_keys<depth, threads>(keys, in.key.rows(batch, head), block_row, own_rows, mask, in.keys);
    copy_keys<depth, threads>(values, in.value.rows(batch, head), block_row, own_rows, mask,
                              in.keys);
    copy_tile(0);

    const int own_row = own_warp() * 16 * slabs;
    const std::uint32_t visible =
        visible_bits(mask, block_row + own_row, in.keys) & (slabs == 1 ? 0xFFFFU : 0xFFFFFFFFU);
    int key_rows[slabs];
    float dk[slabs][depth / 8][4];
    float dv[slabs][depth / 8][4];
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        key_rows[a] = own_row + 16 * a;
        clear(dk[a]);
        clear(dv[a]);
    }
    const int query_tiles = (in.queries + rows - 1) / rows;
    for (int tile = 0; tile < query_tiles; ++tile) {
        copy_async_wait<0>();
        __syncthreads();
        if (tile + 1 < query_tiles) copy_tile(tile + 1);
        if (visible == 0) continue;
        const int place = tile % 2 * rows;
        const BackwardTiles now{keys,
                                values,
                                queries + place * depth,
                                out_gradients + place * depth,
                                own_log2_sum_exps + place,
                                own_deltas + place};
        for (int query = 0; query < rows; query += 16) {
            std::uint32_t p[slabs][4];
            std::uint32_t ds[slabs][4];
            differentiate_scores<depth, slabs>(p, ds, now, key_rows, query, visible,
                                               in.scale * log2_e);
            add_key_gradients<depth, slabs>(dk, dv, p, ds, now, query);
        }
    }
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        const int row = block_row + key_rows[a];
        store_rows<depth>(in.key_gradient.rows(batch, head), row, in.keys, dk[a], in.scale,
                          in.scale);
        store_rows<depth>(in.value_gradient.rows(batch, head), row, in.keys, dv[a], 1.0F, 1.0F);
    }
}

/// dS of `slabs` times 16 queries and the 16 keys from row `key` on; `visible` has a bit for each.
template <int depth, int slabs>
__device__ __forceinline__ void differentiate_rows(
    std::uint32_t (&ds)[slabs][4], const std::uint32_t (&query)[slabs][depth / 16][4],
    const std::uint32_t (&out_gradient)[slabs][depth / 16][4],
    const QueryStatistics (&statistics)[slabs][2], bfloat16* keys, bfloat16* values, int key,
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
        std::uint32_t b[4];
        std::uint32_t v[4];
        load_b<depth>(b, keys, key, k);
        load_b<depth>(v, values, key, k);
        BALMER_UNROLL
        for (int a = 0; a < slabs; ++a) {
            mma_bf16(s[a][0], query[a][k], b[0], b[1]);
            mma_bf16(s[a][1], query[a][k], b[2], b[3]);
            mma_bf16(dp[a][0], out_gradient[a][k], v[0], v[1]);
            mma_bf16(dp[a][1], out_gradient[a][k], v[2], v[3]);
        }
    }
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        BALMER_UNROLL
        for (int j = 0; j < 2; ++j) {
            const std::uint32_t own = own_columns(visible >> (8 * j));
            BALMER_UNROLL
            for (int half = 0; half < 2; ++half) {
                const QueryStatistics& row = statistics[a][half];
                float pair[2];
                BALMER_UNROLL
                for (int i = 0; i < 2; ++i) {
                    const float p = exp2_approximate(
                        fused_multiply_add(s[a][j][2 * half + i], scale_log2, -row.log2_sum_exp));
                    const float gradient = p * (dp[a][j][2 * half + i] - row.delta);
                    pair[i] = (own >> i & 1U) != 0 ? gradient : 0.0F;
                }
                ds[a][2 * j + half] = pack_bf16(pair[0], pair[1]);
            }
        }
    }
}

/// dQ of `slabs` times 16 queries a warp; block i takes tile i % tiles of head i / tiles.
template <int depth, int slabs>
__global__ void __launch_bounds__(threads, 2)
    attention_query_gradients_kernel(BackwardInputs<bfloat16> in, const float* log2_sum_exps,
                                     const float* deltas, int padded, int tiles) {
    SharedMemory shared;
    auto* keys = shared.array<bfloat16>(2 * tile_keys * depth);
    auto* values = shared.array<bfloat16>(2 * tile_keys * depth);

    const int item = static_cast<int>(blockIdx.x) / tiles;
    const int head = item % in.heads;
    const int batch = item / in.heads;
    const int row = (static_cast<int>(blockIdx.x) % tiles * warps + own_warp()) * (16 * slabs);
    const std::uint8_t* mask = in.mask_of(batch);
    const auto copy_tile = [&](int tile) {
        const int place = tile % 2 * tile_keys * depth;
        const int first = tile * tile_keys;
        copy_keys<depth, threads>(keys + place, in.key.rows(batch, head), first, tile_keys, mask,
                                  in.keys);
        copy_keys<depth, threads>(values + place, in.value.rows(batch, head), first, tile_keys,
                                  mask, in.keys);
        copy_async_commit();
    };
    copy_tile(0);

    std::uint32_t query[slabs][depth / 16][4];
    std::uint32_t out_gradient[slabs][depth / 16][4];
    QueryStatistics statistics[slabs][2];
    float dq[slabs][depth / 8][4];
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        const int first = row + 16 * a;
        load_rows<depth>(query[a], in.query.rows(batch, head), first, in.queries - 1);
        load_rows<depth>(out_gradient[a], in.out_gradient.rows(batch, head), first, in.queries - 1);
        BALMER_UNROLL
        for (int half = 0; half < 2; ++half) {
            const std::int64_t at = std::int64_t{item} * padded +
                                    min(first + own_lane() / 4 + 8 * half, in.queries - 1);
            statistics[a][half] = {log2_sum_exps[at], deltas[at]};
        }
        clear(dq[a]);
    }
    const int key_tiles = (in.keys + tile_keys - 1) / tile_keys;
    for (int tile = 0; tile < key_tiles; ++tile) {
        copy_async_wait<0>();
        __syncthreads();
        if (tile + 1 < key_tiles) copy_tile(tile + 1);
        if (row >= in.queries) continue;
        bfloat16* const own_keys = keys + tile % 2 * tile_keys * depth;
        bfloat16* const own_values = values + tile % 2 * tile_keys * depth;
        for (int word = 0; word < tile_keys / 32; ++word) {
            const std::uint32_t visible = visible_bits(mask, tile * tile_keys + 32 * word, in.keys);
            if (visible == 0) continue;
            BALMER_UNROLL
            for (int part = 0; part < 2; ++part) {
                const int key = 32 * word + 16 * part;
                std::uint32_t ds[slabs][4];
                differentiate_rows<depth, slabs>(ds, query, out_gradient, statistics, own_keys,
                                                 own_values, key, visible >> (16 * part),
                                                 in.scale * log2_e);
                BALMER_UNROLL
                for (int j = 0; j < depth / 16; ++j) {
                    std::uint32_t b[4];
                    load_b_as_is<depth>(b, own_keys, key, j);
                    BALMER_UNROLL
                    for (int a = 0; a < slabs; ++a) {
                        mma_bf16(dq[a][2 * j], ds[a], b[0], b[1]);
                        mma_bf16(dq[a][2 * j + 1], ds[a], b[2], b[3]);
                    }
                }
            }
        }
    }
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        store_rows<depth>(in.query_gradient.rows(batch, head), row + 16 * a, in.queries, dq[a],
                          in.scale, in.scale);
    }
}

template <int depth, int slabs>
void run(const Context& context, const AttentionBackward& arguments) {
    constexpr int own_rows = warps * 16 * slabs;
    const auto in = inputs_of_backward<bfloat16>(arguments);
    const std::int64_t items = arguments.query.shape[0] * arguments.query.shape[2];
    const StatisticsBuffer statistics(context, arguments);
    statistics.fill<bfloat16, 8, depth / 8>(context, in);

    const auto tiles_of = [](int tokens) { return (tokens + own_rows - 1) / own_rows; };
    const auto tile_bytes = [](int rows) {
        return shared_bytes_of(sizeof(bfloat16) * rows * depth);
    };
    constexpr int rows = tile_queries<depth>;
    const int key_tiles = tiles_of(in.keys);
    launch("attention_key_gradients", context, attention_key_gradients_kernel<depth, slabs>,
           {{static_cast<unsigned>(items * key_tiles)},
            threads,
            2 * tile_bytes(own_rows) + 2 * tile_bytes(2 * rows) +
                2 * shared_bytes_of(sizeof(float) * 2 * rows)},
           in, statistics.log2_sum_exps(), statistics.deltas(), statistics.padded(), key_tiles);
    const int query_tiles = tiles_of(in.queries);
    launch("attention_query_gradients", context, attention_query_gradients_kernel<depth, slabs>,
           {{static_cast<unsigned>(items * query_tiles)}, threads, 2 * tile_bytes(2 * tile_keys)},
           in, statistics.log2_sum_exps(), statistics.deltas(), statistics.padded(), query_tiles);
}

}  // namespace

template <DeviceType device>
std::string accepts_attention_backward_streaming(const Context& context,
                                                 const AttentionBackward& arguments) {
    return refusal_of(device, context, arguments);
}

template <DeviceType device>
void attention_backward_streaming(const Context& context, const AttentionBackward& arguments) {
    switch (arguments.query.shape[3]) {
        case 32:
            return run<32, 2>(context, arguments);
        case 64:
            return run<64, 2>(context, arguments);
        default:
            return run<128, 1>(context, arguments);
    }
}

template std::string accepts_attention_backward_streaming<this_device>(const Context&,
                                                                       const AttentionBackward&);
template void attention_backward_streaming<this_device>(const Context&, const AttentionBackward&);

}  // namespace balmer::kernels
