// Attention of up to 208 tokens: a block takes one head, whose keys and values fit into shared
// memory whole.
//
// For 16 queries a warp computes S = Q K^T (16 x 208) into registers, and with the whole row at
// hand the softmax is the plain one, without running maxima or corrections:
//   m = max S,  P = 2^(c S - c m) with c = scale log2 e,  l = sum P,  O = P V / l
//   log_sum_exp = scale m + ln l
// P, rounded to bf16, goes from the registers that S was summed in straight into the product with
// V.
//
// Why it is fast. A head of 197 tokens and D = 64 is 101 KB of traffic (Q, K, V, O once each) and
// 9.9 MFLOP, 100 FLOP a byte: memory is the limit, so everything is read once and written once.
// Padding to 208 tokens costs 6 % more products, where tiles of 64 would cost 30 %. Queries go to
// registers past shared memory, so that a block needs 53 KB of it and, with 4 warps of at most 168
// registers, three blocks share a multiprocessor: while one waits for memory, others compute. V
// arrives behind the products of Q and K, the next queries behind those of P and V. Lanes exchange
// pairs of the output, so that it leaves in whole segments.

#include "kernels/attention/attention_cuda.h"
#include "kernels/attention/attention_forward.cuh"

namespace balmer::kernels {
namespace {

constexpr int most_tokens = 208;
constexpr int warps = 4;
constexpr int threads = warps * lanes_per_warp;

/// Words that hold a bit a key.
constexpr int words_for(int keys) {
    return (keys + 31) / 32;
}

/// A block a head; `most_keys` is a multiple of 16.
template <int depth, int most_keys, int blocks>
__global__ void __launch_bounds__(threads, blocks)
    attention_short_kernel(ForwardInputs<bfloat16> in) {
    constexpr int key_slabs = most_keys / 16;
    constexpr int words = words_for(most_keys);
    SharedMemory shared;
    auto* keys = shared.array<bfloat16>(most_keys * depth);
    auto* values = shared.array<bfloat16>(most_keys * depth);
    auto* visible = shared.array<std::uint32_t>(words);

    const int warp = own_warp();
    const int batch = static_cast<int>(blockIdx.x) / in.heads;
    const int head = static_cast<int>(blockIdx.x) % in.heads;
    const std::uint8_t* mask = in.mask_of(batch);
    copy_keys<depth, threads>(keys, in.key.rows(batch, head), 0, most_keys, mask, in.keys);
    copy_async_commit();
    copy_keys<depth, threads>(values, in.value.rows(batch, head), 0, most_keys, mask, in.keys);
    copy_async_commit();
    for (int word = warp; word < words; word += warps) {
        const std::uint32_t bits = visible_bits(mask, 32 * word, in.keys);
        if (own_lane() == 0) visible[word] = bits;
    }
    std::uint32_t query[1][depth / 16][4];
    load_rows<depth>(query[0], in.query.rows(batch, head), 16 * warp, in.queries - 1);
    copy_async_wait<1>();
    __syncthreads();

    std::uint32_t any_visible = 0;
    for (int word = 0; word < words; ++word) any_visible |= visible[word];
    for (int first = 0; first < in.queries; first += 16 * warps) {
        const int row = first + 16 * warp;
        const bool has_rows = row < in.queries;
        std::uint32_t p[1][key_slabs][4];
        Softmax softmax;
        if (has_rows) {
            float s[1][2 * key_slabs][4];
            float correction[2];
            multiply_scores<depth, 1, key_slabs>(s, query, keys);
            hide(s[0], visible);
            exponentiate<key_slabs>(p[0], s[0], in.scale * log2_e, softmax, correction);
        }
        if (first == 0) {
            copy_async_wait<0>();
            __syncthreads();
        }
        if (has_rows) {
            load_rows<depth>(query[0], in.query.rows(batch, head), row + 16 * warps,
                             in.queries - 1);
            float o[1][depth / 8][4];
            clear(o[0]);
            add_values<depth, 1, key_slabs>(o, p, values);
            write_rows<depth>(in, batch, head, row, o[0], softmax, any_visible != 0);
        }
    }
}

template <int depth, int most_keys, int blocks>
void run(const Context& context, const AttentionForward& arguments) {
    constexpr std::size_t tile = shared_bytes_of(sizeof(bfloat16) * most_keys * depth);
    const std::int64_t heads = arguments.query.shape[0] * arguments.query.shape[2];
    const LaunchShape shape{
        {static_cast<unsigned>(heads)},
        threads,
        2 * tile + shared_bytes_of(sizeof(std::uint32_t) * words_for(most_keys))};
    launch("attention_short", context, attention_short_kernel<depth, most_keys, blocks>, shape,
           inputs_of_forward<bfloat16>(arguments));
}

/// The smallest kernel that the keys fit; what it leaves of a multiprocessor's registers and shared
/// memory goes to more blocks.
template <int depth>
void run_for_keys(const Context& context, const AttentionForward& arguments) {
    constexpr bool is_wide = depth == 128;
    const std::int64_t keys = arguments.key.shape[1];
    if (keys <= 64) {
        run<depth, 64, is_wide ? 3 : 4>(context, arguments);
    } else if (keys <= 128) {
        run<depth, 128, is_wide ? 2 : 3>(context, arguments);
    } else {
        run<depth, most_tokens, is_wide ? 2 : 3>(context, arguments);
    }
}

}  // namespace

template <DeviceType device>
std::string accepts_attention_short(const Context& context, const AttentionForward& arguments) {
    if (arguments.query.shape[1] > most_tokens || arguments.key.shape[1] > most_tokens) {
        return "takes up to 208 tokens only";
    }
    return refusal_of(device, context, arguments);
}

template <DeviceType device>
void attention_short(const Context& context, const AttentionForward& arguments) {
    switch (arguments.query.shape[3]) {
        case 32:
            return run_for_keys<32>(context, arguments);
        case 64:
            return run_for_keys<64>(context, arguments);
        default:
            return run_for_keys<128>(context, arguments);
    }
}

template std::string accepts_attention_short<this_device>(const Context&, const AttentionForward&);
template void attention_short<this_device>(const Context&, const AttentionForward&);

}  // namespace balmer::kernels
