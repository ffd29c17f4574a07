// Attention of any length: a block takes 64 or 128 queries of a head, and the keys and values of
// the head go by in tiles of 64, with the online softmax of attention_forward.cuh (after Dao 2023,
// arXiv:2307.08691).
//
// Why it is fast. A head of 4000 tokens and D = 64 is 4.1 GFLOP for 2 MB of operands and results,
// so the tensor cores are the limit, and right behind them shared memory: mma.m16n8k16 does 4096
// FLOP, and its fragment of keys or values costs 256 bytes, two cycles of a multiprocessor's 128
// bytes. Every fragment therefore serves two slabs of 16 queries (one for D = 128, whose sums would
// not fit into registers). Queries stay in registers; the next tile arrives while the products of
// this one run, with one barrier a tile; two blocks share a multiprocessor, so that the
// exponentials of one fill the gaps that they leave in the products of the other. Tiles of which
// every key is masked are skipped.

#include "kernels/attention/attention_cuda.h"
#include "kernels/attention/attention_forward.cuh"

namespace balmer::kernels {
namespace {

constexpr int warps = 4;
constexpr int threads = warps * lanes_per_warp;
constexpr int tile_keys = 64;

/// `slabs` times 16 queries a warp; block i takes tile i % tiles of head i / tiles.
template <int depth, int slabs>
__global__ void __launch_bounds__(threads, 2)
    attention_streaming_kernel(ForwardInputs<bfloat16> in, int tiles) {
    constexpr int key_slabs = tile_keys / 16;
    SharedMemory shared;
    auto* keys = shared.array<bfloat16>(2 * tile_keys * depth);
    auto* values = shared.array<bfloat16>(2 * tile_keys * depth);

    const int head = static_cast<int>(blockIdx.x) / tiles % in.heads;
    const int batch = static_cast<int>(blockIdx.x) / tiles / in.heads;
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
    float o[slabs][depth / 8][4];
    Softmax softmax[slabs];
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        load_rows<depth>(query[a], in.query.rows(batch, head), row + 16 * a, in.queries - 1);
        clear(o[a]);
    }
    bool has_keys = false;
    const int key_tiles = (in.keys + tile_keys - 1) / tile_keys;
    for (int tile = 0; tile < key_tiles; ++tile) {
        copy_async_wait<0>();
        __syncthreads();
        if (tile + 1 < key_tiles) copy_tile(tile + 1);
        if (row >= in.queries) continue;
        const std::uint32_t visible[2] = {visible_bits(mask, tile * tile_keys, in.keys),
                                          visible_bits(mask, tile * tile_keys + 32, in.keys)};
        if ((visible[0] | visible[1]) == 0) continue;
        has_keys = true;

        const int place = tile % 2 * tile_keys * depth;
        float s[slabs][2 * key_slabs][4];
        std::uint32_t p[slabs][key_slabs][4];
        multiply_scores<depth, slabs, key_slabs>(s, query, keys + place);
        BALMER_UNROLL
        for (int a = 0; a < slabs; ++a) {
            float correction[2];
            hide(s[a], visible);
            exponentiate<key_slabs>(p[a], s[a], in.scale * log2_e, softmax[a], correction);
            BALMER_UNROLL
            for (int j = 0; j < depth / 8; ++j) {
                BALMER_UNROLL
                for (int i = 0; i < 4; ++i) o[a][j][i] *= correction[i / 2];
            }
        }
        add_values<depth, slabs, key_slabs>(o, p, values + place);
    }
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) {
        write_rows<depth>(in, batch, head, row + 16 * a, o[a], softmax[a], has_keys);
    }
}

template <int depth, int slabs>
void run(const Context& context, const AttentionForward& arguments) {
    constexpr int tile_queries = warps * 16 * slabs;
    const std::int64_t heads = arguments.query.shape[0] * arguments.query.shape[2];
    const std::int64_t tiles = (arguments.query.shape[1] + tile_queries - 1) / tile_queries;
    const LaunchShape shape{{static_cast<unsigned>(heads * tiles)},
                            threads,
                            2 * shared_bytes_of(sizeof(bfloat16) * 2 * tile_keys * depth)};
    launch("attention_streaming", context, attention_streaming_kernel<depth, slabs>, shape,
           inputs_of_forward<bfloat16>(arguments), static_cast<int>(tiles));
}

}  // namespace

template <DeviceType device>
std::string accepts_attention_streaming(const Context& context, const AttentionForward& arguments) {
    return refusal_of(device, context, arguments);
}

template <DeviceType device>
void attention_streaming(const Context& context, const AttentionForward& arguments) {
    switch (arguments.query.shape[3]) {
        case 32:
            return run<32, 2>(context, arguments);
        case 64:
            return run<64, 2>(context, arguments);
        default:
            return run<128, 1>(context, arguments);
    }
}

template std::string accepts_attention_streaming<this_device>(const Context&,
                                                              const AttentionForward&);
template void attention_streaming<this_device>(const Context&, const AttentionForward&);

}  // namespace balmer::kernels
