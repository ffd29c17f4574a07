#pragma once
// The forward pass on tensor cores, which the short and the streaming kernel share: what a warp
// does with slabs of 16 queries and a tile of keys.
//
// In units of powers of two, with c = scale log2 e, the softmax over the tiles seen so far is kept
// as a shift (c times the highest score), a total, and a sum O of values:
//   shift' = max(shift, c max S),  P = 2^(c S - shift'),  r = 2^(shift - shift')
//   total' = r total + sum P,  O' = r O + P V
// In the end out = O / total and log_sum_exp = shift ln 2 + ln total (Milakov and Gimelshein 2018,
// arXiv:1805.02867).

#include "kernels/attention/attention_device.cuh"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

/// Scores S = Q K^T of `slabs` times 16 queries and 16 `key_slabs` keys; a fragment of keys serves
/// all slabs.
template <int depth, int slabs, int key_slabs>
__device__ __forceinline__ void multiply_scores(float (&s)[slabs][2 * key_slabs][4],
                                                const std::uint32_t (&query)[slabs][depth / 16][4],
                                                bfloat16* keys) {
    BALMER_UNROLL
    for (int a = 0; a < slabs; ++a) clear(s[a]);
    BALMER_UNROLL
    for (int k = 0; k < depth / 16; ++k) {
        BALMER_UNROLL
        for (int j = 0; j < key_slabs; ++j) {
            std::uint32_t b[4];
            load_b<depth>(b, keys, 16 * j, k);
            BALMER_UNROLL
            for (int a = 0; a < slabs; ++a) {
                mma_bf16(s[a][2 * j], query[a][k], b[0], b[1]);
                mma_bf16(s[a][2 * j + 1], query[a][k], b[2], b[3]);
            }
        }
    }
}

/// Scores of hidden keys become -infinity; `visible` has a bit a key.
template <int columns>
__device__ __forceinline__ void hide(float (&s)[columns][4], const std::uint32_t* visible) {
    BALMER_UNROLL
    for (int j = 0; j < columns; ++j) {
        const std::uint32_t eight = visible[j / 4] >> (8 * (j % 4)) & 0xFFU;
        if (eight == 0xFFU) continue;
        const std::uint32_t own = own_columns(eight);
        BALMER_UNROLL
        for (int i = 0; i < 4; ++i) {
            if ((own >> (i % 2) & 1U) == 0) s[j][i] = -std::numeric_limits<float>::infinity();
        }
    }
}

/// The softmax so far, of the rows g and g + 8. Each lane has the total of its own columns.
struct Softmax {
    float shift[2] = {-std::numeric_limits<float>::infinity(),
                      -std::numeric_limits<float>::infinity()};
    float total[2] = {0.0F, 0.0F};
};

/// Takes in the scores of a tile: P as the A of the product with its values, and the factors that
/// the sums so far want.
template <int key_slabs>
__device__ __forceinline__ void exponentiate(std::uint32_t (&p)[key_slabs][4],
                                             const float (&s)[2 * key_slabs][4], float scale_log2,
                                             Softmax& softmax, float (&correction)[2]) {
    float shift[2];
    BALMER_UNROLL
    for (int half = 0; half < 2; ++half) {
        float maximum = -std::numeric_limits<float>::infinity();
        BALMER_UNROLL
        for (int j = 0; j < 2 * key_slabs; ++j) {
            maximum = fmaxf(maximum, fmaxf(s[j][2 * half], s[j][2 * half + 1]));
        }
        const float highest = fmaxf(softmax.shift[half], maximum_of_four(maximum) * scale_log2);
        // Nothing but -infinity so far: any finite shift gives P = 0, where -infinity gives NaN.
        shift[half] = highest == -std::numeric_limits<float>::infinity() ? 0.0F : highest;
        correction[half] = exp2_approximate(softmax.shift[half] - shift[half]);
        softmax.shift[half] = highest;
        softmax.total[half] *= correction[half];
    }
    BALMER_UNROLL
    for (int j = 0; j < 2 * key_slabs; ++j) {
        BALMER_UNROLL
        for (int half = 0; half < 2; ++half) {
            const float left =
                exp2_approximate(fused_multiply_add(s[j][2 * half], scale_log2, -shift[half]));
            const float right =
                exp2_approximate(fused_multiply_add(s[j][2 * half + 1], scale_log2, -shift[half]));
            softmax.total[half] += left + right;
            p[j / 2][j % 2 * 2 + half] = pack_bf16(left, right);
        }
    }
}

/// O += P V.
template <int depth, int slabs, int key_slabs>
__device__ __forceinline__ void add_values(float (&o)[slabs][depth / 8][4],
                                           const std::uint32_t (&p)[slabs][key_slabs][4],
                                           bfloat16* values) {
    BALMER_UNROLL
    for (int k = 0; k < key_slabs; ++k) {
        BALMER_UNROLL
        for (int j = 0; j < depth / 16; ++j) {
            std::uint32_t b[4];
            load_b_as_is<depth>(b, values, 16 * k, j);
            BALMER_UNROLL
            for (int a = 0; a < slabs; ++a) {
                mma_bf16(o[a][2 * j], p[a][k], b[0], b[1]);
                mma_bf16(o[a][2 * j + 1], p[a][k], b[2], b[3]);
            }
        }
    }
}

/// Writes out and log_sum_exp of the 16 queries from `row` on. A row without keys gets 0 and
/// -infinity; one whose visible keys all have the score -infinity (a total of 0) NaN.
template <int depth>
__device__ __forceinline__ void write_rows(const ForwardInputs<bfloat16>& in, int batch, int head,
                                           int row, const float (&o)[depth / 8][4],
                                           const Softmax& softmax, bool has_keys) {
    const int lane = own_lane();
    float* log_sum_exp = in.log_sum_exp + (std::int64_t{batch} * in.heads + head) * in.queries;
    float factor[2];
    BALMER_UNROLL
    for (int half = 0; half < 2; ++half) {
        const float total = sum_of_four(softmax.total[half]);
        factor[half] = has_keys ? 1.0F / total : 0.0F;
        const int query = row + lane / 4 + 8 * half;
        if (lane % 4 == 0 && query < in.queries) {
            log_sum_exp[query] = has_keys && total == 0.0F
                                     ? std::numeric_limits<float>::quiet_NaN()
                                     : softmax.shift[half] * ln_2 + logf(total);
        }
    }
    store_rows<depth>(in.out.rows(batch, head), row, in.queries, o, factor[0], factor[1]);
}

#if defined(__CUDACC__)
}  // namespace cuda_build
#else
}  // namespace simt_build
#endif
}  // namespace balmer::kernels
