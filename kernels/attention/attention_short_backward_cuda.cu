// The backward pass of attention of up to 208 tokens: a block takes a head after another, with all
// its operands in shared memory.
//
// Two phases a head (equations in attention_backward.cuh):
//   1. every warp owns keys, and goes through the queries 16 at a time: S^T and dP^T, from them P^T
//      and dS^T; dV and dK grow in registers; dS^T is left in shared memory;
//   2. every warp owns queries: dQ = scale dS K, with dS read transposed.
// Five products, each done once, and no sum shared between warps: no atomics, the same bits always.
//
// Why it is fast. A head of 197 tokens and D = 64 is 202 KB of traffic and 25 MFLOP, 123 FLOP a
// byte: bound by memory at 4.3 TB/s, if the tensor cores can follow. Everything is read once (the
// output gradient twice, the second time from the L2 cache) and written once. 32 keys a warp put
// 128 sums into registers and let a fragment of queries serve two slabs of keys; 7 warps cover 208
// keys in one pass. Rows of dS^T are 216 elements apart, so that the eight rows of a store or an
// ldmatrix lie in different banks. One block fills a multiprocessor, so there is no other one to
// hide its loads: queries, values and output gradients of the next head are copied over those of
// this one as soon as phase 1 is done, its keys into a second buffer, all behind phase 2. For up to
// 96 tokens 16 keys a warp do, and two blocks fit: of 6 warps, since 14 warps would leave one
// quarter of the multiprocessor with 4 of them and 128 registers each.

#include "kernels/attention/attention_backward.cuh"
#include "kernels/attention/attention_cuda.h"
#include "kernels/core/buffer.h"

namespace balmer::kernels {
namespace {

/// Kernels take 16 keys a warp or 32.
template <int slabs>
constexpr int warps = slabs == 1 ? 6 : 7;
template <int slabs>
constexpr int threads = warps<slabs>* lanes_per_warp;
template <int slabs>
constexpr int most_tokens = slabs == 1 ? 96 : 208;

/// dS^T [keys, queries] in shared memory.
template <int slabs>
constexpr int score_stride = most_tokens<slabs> + 8;

/// Everything that a head needs, L and delta included, on its way into shared memory.
template <int depth, int slabs>
__device__ __forceinline__ void start_head(const BackwardInputs<bfloat16>& in, int item,
                                           const BackwardTiles& tiles, float* log2_sum_exps,
                                           float* deltas) {
    const int batch = item / in.heads;
    const int head = item % in.heads;
    const std::uint8_t* mask = in.mask_of(batch);
    const int key_rows = (in.keys + 15) / 16 * 16;
    const int query_rows = (in.queries + 15) / 16 * 16;
    copy_queries<depth, threads<slabs>>(tiles.queries, in.query.rows(batch, head), 0, query_rows,
                                        in.queries);
    copy_keys<depth, threads<slabs>>(tiles.keys, in.key.rows(batch, head), 0, key_rows, mask,
                                     in.keys);
    copy_keys<depth, threads<slabs>>(tiles.values, in.value.rows(batch, head), 0, key_rows, mask,
                                     in.keys);
    copy_queries<depth, threads<slabs>>(tiles.out_gradients, in.out_gradient.rows(batch, head), 0,
                                        query_rows, in.queries);
    copy_async_commit();

    // Loads of several rounds are under way together where no other block fills the gaps.
    constexpr int lanes = depth / 8;
    constexpr int rows = threads<slabs> / lanes;
    constexpr int rounds = slabs == 1 ? 1 : (most_tokens<slabs> + rows - 1) / rows;
    for (int first = 0; first < query_rows; first += rounds * rows) {
        const int own = first + static_cast<int>(threadIdx.x / unsigned{lanes});
        QueryStatistics statistics[rounds];
        BALMER_UNROLL
        for (int i = 0; i < rounds; ++i) {
            statistics[i] = read_statistics<bfloat16, 8, lanes>(in, batch, head, own + i * rows);
        }
        BALMER_UNROLL
        for (int i = 0; i < rounds; ++i) {
            const int query = own + i * rows;
            statistics[i] = finish_statistics<lanes>(statistics[i], query < in.queries);
            if (query < most_tokens<slabs> && threadIdx.x % unsigned{lanes} == 0) {
                log2_sum_exps[query] = statistics[i].log2_sum_exp;
                deltas[query] = statistics[i].delta;
            }
        }
    }
}

/// Phase 1: dK and dV of this warp's keys, dS^T of the whole head.
template <int depth, int slabs>
__device__ __forceinline__ void differentiate_keys(const BackwardInputs<bfloat16>& in, int batch,
                                                   int head, const BackwardTiles& tiles,
                                                   bfloat16* ds_transposed) {
    const int first = own_warp() * 16 * slabs;
    if (first >= in.keys) return;
    const std::uint32_t visible = visible_bits(in.mask_of(batch), first, in.keys);
    const int lane = own_lane();
    int key_rows[slabs];
    float dk[slabs][depth / 8][4];
    float dv[slabs][depth / 8][4];
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        key_rows[a] = min(first + 16 * a, (in.keys - 1) / 16 * 16);
        clear(dk[a]);
        clear(dv[a]);
    }
    for (int query = 0; query < in.queries; query += 16) {
        std::uint32_t p[slabs][4];
        std::uint32_t ds[slabs][4];
        differentiate_scores<depth, slabs>(p, ds, tiles, key_rows, query, visible,
                                           in.scale * log2_e);
        BALMER_UNROLL
        for (int a = 0; a < slabs; ++a) {
            if (first + 16 * a >= in.keys) continue;
            bfloat16* corner = ds_transposed + (first + 16 * a + lane / 4) * score_stride<slabs> +
                               query + 2 * (lane % 4);
            BALMER_UNROLL
            for (int i = 0; i < 4; ++i) {
                store_pair(corner + i % 2 * 8 * score_stride<slabs> + i / 2 * 8, ds[a][i]);
            }
        }
        add_key_gradients<depth, slabs>(dk, dv, p, ds, tiles, query);
    }
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        const int row = first + 16 * a;
        store_rows<depth>(in.key_gradient.rows(batch, head), row, in.keys, dk[a], in.scale,
                          in.scale);
        store_rows<depth>(in.value_gradient.rows(batch, head), row, in.keys, dv[a], 1.0F, 1.0F);
    }
}

/// Phase 2: dQ of 16 queries.
template <int depth, int slabs>
__device__ __forceinline__ void differentiate_queries(const BackwardInputs<bfloat16>& in, int batch,
                                                      int head, int query, bfloat16* keys,
                                                      bfloat16* ds_transposed) {
    const int lane = own_lane();
    float dq[depth / 8][4];
    clear(dq);
    for (int key = 0; key < in.keys; key += 16) {
        std::uint32_t ds[4];
        ldmatrix_x4_transposed(ds, ds_transposed +
                                       (key + lane % 8 + lane / 16 * 8) * score_stride<slabs> +
                                       query + lane / 8 % 2 * 8);
        BALMER_UNROLL
        for (int j = 0; j < depth / 16; ++j) {
            std::uint32_t b[4];
            load_b_as_is<depth>(b, keys, key, j);
            mma_bf16(dq[2 * j], ds, b[0], b[1]);
            mma_bf16(dq[2 * j + 1], ds, b[2], b[3]);
        }
    }
    store_rows<depth>(in.query_gradient.rows(batch, head), query, in.queries, dq, in.scale,
                      in.scale);
}

/// Blocks share the `items` heads out between them.
template <int depth, int slabs>
__global__ void __launch_bounds__(threads<slabs>, slabs == 1 ? 2 : 1)
    attention_short_backward_kernel(BackwardInputs<bfloat16> in, int items) {
    constexpr int rows = most_tokens<slabs>;
    SharedMemory shared;
    auto* keys = shared.array<bfloat16>(rows * depth);
    auto* next_keys = shared.array<bfloat16>(rows * depth);
    auto* values = shared.array<bfloat16>(rows * depth);
    auto* queries = shared.array<bfloat16>(rows * depth);
    auto* out_gradients = shared.array<bfloat16>(rows * depth);
    auto* ds_transposed = shared.array<bfloat16>(rows * score_stride<slabs>);
    auto* log2_sum_exps = shared.array<float>(rows);
    auto* deltas = shared.array<float>(rows);

    const auto tiles_with = [&](bfloat16* own_keys) {
        return BackwardTiles{own_keys, values, queries, out_gradients, log2_sum_exps, deltas};
    };
    auto item = static_cast<int>(blockIdx.x);
    start_head<depth, slabs>(in, item, tiles_with(keys), log2_sum_exps, deltas);
    while (item < items) {
        const int batch = item / in.heads;
        const int head = item % in.heads;
        copy_async_wait<0>();
        __syncthreads();
        differentiate_keys<depth, slabs>(in, batch, head, tiles_with(keys), ds_transposed);
        __syncthreads();
        item += static_cast<int>(gridDim.x);
        if (item < items) {
            start_head<depth, slabs>(in, item, tiles_with(next_keys), log2_sum_exps, deltas);
        }
        for (int query = own_warp() * 16; query < in.queries; query += warps<slabs> * 16) {
            differentiate_queries<depth, slabs>(in, batch, head, query, keys, ds_transposed);
        }
        bfloat16* const used = keys;
        keys = next_keys;
        next_keys = used;
    }
}

template <int depth, int slabs>
struct Kernel {
    static constexpr int rows = most_tokens<slabs>;
    /// Shared memory of a block.
    static constexpr std::size_t bytes =
        5 * shared_bytes_of(sizeof(bfloat16) * rows * depth) +
        shared_bytes_of(sizeof(bfloat16) * rows * score_stride<slabs>) +
        2 * shared_bytes_of(sizeof(float) * rows);

    static void run(const Context& context, const AttentionBackward& arguments) {
        const std::int64_t items = arguments.query.shape[0] * arguments.query.shape[2];
        const std::int64_t blocks = std::min<std::int64_t>(
            items, limits_of(context).multiprocessors * (slabs == 1 ? 2 : 1));
        launch("attention_short_backward", context, attention_short_backward_kernel<depth, slabs>,
               {{static_cast<unsigned>(blocks)}, threads<slabs>, bytes},
               inputs_of_backward<bfloat16>(arguments), static_cast<int>(items));
    }
};

/// Calls body(kernel) with the smallest kernel that the tokens fit.
template <class Body>
auto choose_kernel(const AttentionBackward& arguments, const Body& body) {
    const bool is_small =
        std::max(arguments.query.shape[1], arguments.key.shape[1]) <= most_tokens<1>;
    if (arguments.query.shape[3] == 32) {
        return is_small ? body(Kernel<32, 1>()) : body(Kernel<32, 2>());
    }
    return is_small ? body(Kernel<64, 1>()) : body(Kernel<64, 2>());
}

}  // namespace

template <DeviceType device>
std::string accepts_attention_backward_short(const Context& context,
                                             const AttentionBackward& arguments) {
    if (arguments.query.shape[1] > most_tokens<2> || arguments.key.shape[1] > most_tokens<2>) {
        return "takes up to 208 tokens only";
    }
    if (arguments.query.shape[3] > 64) return "takes head dimensions 32 and 64 only";
    std::string reason = refusal_of(device, context, arguments);
    if (!reason.empty()) return reason;
    const std::size_t bytes =
        choose_kernel(arguments, [](auto kernel) { return decltype(kernel)::bytes; });
    return limits_of(context).shared_bytes < bytes ? "takes more shared memory than there is" : "";
}

template <DeviceType device>
void attention_backward_short(const Context& context, const AttentionBackward& arguments) {
    choose_kernel(arguments, [&](auto kernel) { decltype(kernel)::run(context, arguments); });
}

template std::string accepts_attention_backward_short<this_device>(const Context&,
                                                                   const AttentionBackward&);
template void attention_backward_short<this_device>(const Context&, const AttentionBackward&);

}  // namespace balmer::kernels
