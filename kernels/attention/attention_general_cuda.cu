// Attention for what the tensor core kernels decline: f32, other head dimensions, rows that are not
// aligned, scales that are not positive. f32 arithmetic throughout.
//
// A block takes 64 queries of a head and 64 columns of the output; keys go by 64 at a time, with
// the online softmax of attention_forward.cuh. A head dimension above 64 is shared out over blocks,
// which form the same scores again. At 64 columns that is 4 x 64 FLOP a score on the FMA units,
// whose rate and not memory is the limit from some 100 tokens on.

#include "kernels/attention/attention_cuda.h"
#include "kernels/attention/attention_general.cuh"

namespace balmer::kernels {
namespace {

constexpr float negative_infinity = -std::numeric_limits<float>::infinity();

/// Reductions over the 16 lanes that share rows.
__device__ __forceinline__ float row_maximum(float value) {
    BALMER_UNROLL
    for (int distance = 8; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(full_warp, value, distance));
    }
    return value;
}
__device__ __forceinline__ float row_sum(float value) {
    BALMER_UNROLL
    for (int distance = 8; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(full_warp, value, distance);
    }
    return value;
}

/// Whether the batch element has any key; by the whole block.
__device__ __forceinline__ bool has_visible_keys(const std::uint8_t* mask, int keys) {
    bool is_any = false;
    for (auto key = static_cast<int>(threadIdx.x); key < keys; key += general_threads) {
        is_any = is_any || is_visible(mask, key, keys);
    }
    return __syncthreads_or(is_any ? 1 : 0) != 0;
}

template <class T>
__global__ void __launch_bounds__(general_threads)
    attention_general_kernel(ForwardInputs<T> in, int tiles, int columns) {
    SharedMemory shared;
    auto* left = shared.array<float>(chunk_size * chunk_stride);
    auto* right = shared.array<float>(chunk_size * chunk_stride);
    auto* probabilities = shared.array<float>(tile_size * tile_stride);
    const Chunks chunks{left, right};
    const GeneralBlock block(tiles, columns, in.heads);
    const auto x = static_cast<int>(threadIdx.x % 16U);
    const auto y = static_cast<int>(threadIdx.x / 16U);
    const std::uint8_t* mask = in.mask_of(block.batch);
    const float scale_log2 = in.scale * log2_e;
    const bool has_keys = has_visible_keys(mask, in.keys);

    float o[4][4];
    float shift[4];
    float total[4];
    clear(o);
    BALMER_UNROLL
    for (int i = 0; i < 4; ++i) {
        shift[i] = negative_infinity;
        total[i] = 0.0F;
    }
    const ByColumn<T> queries{
        {in.query.rows(block.batch, block.head), nullptr, block.first_row, in.queries, in.depth}};
    for (int first = 0; first < in.keys; first += tile_size) {
        const ByColumn<T> keys{
            {in.key.rows(block.batch, block.head), mask, first, in.keys, in.depth}};
        const ByToken<T> values{
            {in.value.rows(block.batch, block.head), mask, first, in.keys, in.depth},
            block.first_column};
        float s[4][4];
        clear(s);
        multiply_add(s, queries, keys, in.depth, chunks);
        bool is_seen[4];
        BALMER_UNROLL
        for (int j = 0; j < 4; ++j) is_seen[j] = is_visible(mask, first + 4 * x + j, in.keys);
        BALMER_UNROLL
        for (int i = 0; i < 4; ++i) {
            float maximum = negative_infinity;
            BALMER_UNROLL
            for (int j = 0; j < 4; ++j) {
                s[i][j] = is_seen[j] ? s[i][j] * scale_log2 : negative_infinity;
                maximum = fmaxf(maximum, s[i][j]);
            }
            const float highest = fmaxf(shift[i], row_maximum(maximum));
            const float base = highest == negative_infinity ? 0.0F : highest;
            const float correction = exp2f(shift[i] - base);
            shift[i] = highest;
            total[i] *= correction;
            BALMER_UNROLL
            for (int j = 0; j < 4; ++j) {
                const float p = exp2f(s[i][j] - base);
                total[i] += p;
                o[i][j] *= correction;
                probabilities[(4 * y + i) * tile_stride + 4 * x + j] = p;
            }
        }
        __syncthreads();
        multiply_add(o, Scores{probabilities}, values, tile_size, chunks);
    }

    float factors[4];
    BALMER_UNROLL
    for (int i = 0; i < 4; ++i) {
        total[i] = row_sum(total[i]);
        factors[i] = has_keys ? 1.0F / total[i] : 0.0F;
        const int row = block.first_row + 4 * y + i;
        if (x == 0 && block.first_column == 0 && row < in.queries) {
            const std::int64_t head = std::int64_t{block.batch} * in.heads + block.head;
            in.log_sum_exp[head * in.queries + row] = has_keys && total[i] == 0.0F
                                                          ? std::numeric_limits<float>::quiet_NaN()
                                                          : shift[i] * ln_2 + logf(total[i]);
        }
    }
    store_sums(in.out.rows(block.batch, block.head), block.first_row, in.queries,
               block.first_column, in.depth, o, factors);
}

template <class T>
void run(const Context& context, const AttentionForward& arguments) {
    const auto in = inputs_of_forward<T>(arguments);
    launch("attention_general", context, attention_general_kernel<T>,
           general_shape(arguments, in.queries), in, tiles_for(in.queries), tiles_for(in.depth));
}

}  // namespace

template <DeviceType device>
std::string accepts_attention_general(const Context& context, const AttentionForward& arguments) {
    return accepts_on(device, context, arguments.query.dtype);
}

template <DeviceType device>
void attention_general(const Context& context, const AttentionForward& arguments) {
    if (arguments.query.dtype == DType::bf16) return run<bfloat16>(context, arguments);
    run<float>(context, arguments);
}

template std::string accepts_attention_general<this_device>(const Context&,
                                                            const AttentionForward&);
template void attention_general<this_device>(const Context&, const AttentionForward&);

}  // namespace balmer::kernels
