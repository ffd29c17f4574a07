#pragma once
// What the device kernels of attention share: heads as rows in memory, tiles of bf16 in shared
// memory, and the operands of mma.sync.
//
// A warp multiplies by mma.m16n8k16. Lane 4 g + q holds, of
//   A [16, 16]  pairs at (g, 2q), (g + 8, 2q), (g, 2q + 8), (g + 8, 2q + 8)
//   B [16, 8]   pairs of k at (2q, g), (2q + 8, g)
//   C [16, 8]   (g, 2q), (g, 2q + 1), (g + 8, 2q), (g + 8, 2q + 1)
// Two C side by side, rounded to bf16, are one A: what a product gives goes into the next one
// without leaving the registers.

#include <limits>
#include <type_traits>

#include "kernels/attention/attention.h"
#include "kernels/core/choice.h"
#include "kernels/core/device_code.cuh"

namespace balmer::kernels {
#if defined(__CUDACC__)
inline namespace cuda_build {
#else
inline namespace simt_build {
#endif

// Arguments.

/// The rows [tokens, D] of one head.
template <class T>
struct Rows {
    T* data;
    std::int64_t stride;

    __device__ T* operator[](int token) const { return data + token * stride; }
};

/// A [B, T, H, D] view.
template <class T>
struct Heads {
    T* data;
    std::int64_t batch_stride;
    std::int64_t token_stride;
    std::int64_t head_stride;

    __device__ Rows<T> rows(int batch, int head) const {
        return {data + batch * batch_stride + head * head_stride, token_stride};
    }
};

template <class T>
struct Inputs {
    Heads<const T> query;
    Heads<const T> key;
    Heads<const T> value;
    const std::uint8_t* key_mask;  ///< [B, S] or null
    int heads;
    int queries;
    int keys;
    int depth;
    float scale;

    /// The mask of one batch element, or null.
    __device__ const std::uint8_t* mask_of(int batch) const {
        return key_mask == nullptr ? nullptr : key_mask + std::int64_t{batch} * keys;
    }
};

template <class T>
struct ForwardInputs : Inputs<T> {
    Heads<T> out;
    float* log_sum_exp;  ///< [B, H, T]
};

template <class T>
struct BackwardInputs : Inputs<T> {
    Heads<const T> out;
    Heads<const T> out_gradient;
    const float* log_sum_exp;  ///< [B, H, T]
    Heads<T> query_gradient;
    Heads<T> key_gradient;
    Heads<T> value_gradient;
};

template <class T>
Heads<T> heads_of(const View& view) {
    return {view.as<std::remove_const_t<T>>(), view.strides[0], view.strides[1], view.strides[2]};
}

template <class T, class Arguments>
Inputs<T> inputs_of(const Arguments& arguments) {
    const Shape& shape = arguments.query.shape;
    return {heads_of<const T>(arguments.query),
            heads_of<const T>(arguments.key),
            heads_of<const T>(arguments.value),
            arguments.key_mask ? arguments.key_mask.template as<std::uint8_t>() : nullptr,
            static_cast<int>(shape[2]),
            static_cast<int>(shape[1]),
            static_cast<int>(arguments.key.shape[1]),
            static_cast<int>(shape[3]),
            static_cast<float>(arguments.scale)};
}
template <class T>
ForwardInputs<T> inputs_of_forward(const AttentionForward& arguments) {
    return {inputs_of<T>(arguments), heads_of<T>(arguments.out), arguments.log_sum_exp.as<float>()};
}
template <class T>
BackwardInputs<T> inputs_of_backward(const AttentionBackward& arguments) {
    return {inputs_of<T>(arguments),
            heads_of<const T>(arguments.out),
            heads_of<const T>(arguments.out_gradient),
            arguments.log_sum_exp.as<float>(),
            heads_of<T>(arguments.query_gradient),
            heads_of<T>(arguments.key_gradient),
            heads_of<T>(arguments.value_gradient)};
}

/// Whether the rows of a view start at multiples of 16 bytes.
inline bool has_aligned_rows(const View& view) {
    bool is_aligned = reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
    for (int i = 0; i < 3; ++i) {
        is_aligned = is_aligned && (view.shape[i] <= 1 || view.strides[i] % 8 == 0);
    }
    return is_aligned;
}

/// Why the tensor core kernels cannot take the arguments; empty if they can.
template <class Arguments>
std::string refusal_of(DeviceType device, const Context& context, const Arguments& arguments) {
    std::string reason = accepts_on(device, context, arguments.query.dtype);
    if (!reason.empty()) return reason;
    const std::int64_t depth = arguments.query.shape[3];
    if (arguments.query.dtype != DType::bf16) return "takes bf16 only";
    if (depth != 32 && depth != 64 && depth != 128) {
        return "takes head dimensions 32, 64 and 128 only";
    }
    if (arguments.query.shape[1] == 0 || arguments.key.shape[1] == 0) return "takes no empty rows";
    if (!(arguments.scale > 0.0)) return "takes positive scales only";
    for (const View* view : {&arguments.query, &arguments.key, &arguments.value, &arguments.out}) {
        if (!has_aligned_rows(*view)) return "takes rows aligned to 16 bytes only";
    }
    if constexpr (std::is_same_v<Arguments, AttentionBackward>) {
        for (const View* view : {&arguments.out_gradient, &arguments.query_gradient,
                                 &arguments.key_gradient, &arguments.value_gradient}) {
            if (!has_aligned_rows(*view)) return "takes rows aligned to 16 bytes only";
        }
    }
    return "";
}

/// This thread's place in its warp, and its warp's in the block.
__device__ __forceinline__ int own_lane() {
    return static_cast<int>(threadIdx.x % unsigned{lanes_per_warp});
}
__device__ __forceinline__ int own_warp() {
    return static_cast<int>(threadIdx.x / unsigned{lanes_per_warp});
}

// Keys that take part.

/// `mask` is that of the batch element, or null.
__device__ __forceinline__ bool is_visible(const std::uint8_t* mask, int key, int keys) {
    return key < keys && (mask == nullptr || mask[key] != 0);
}

/// Bit i says whether key `first` + i takes part; by a whole warp.
__device__ __forceinline__ std::uint32_t visible_bits(const std::uint8_t* mask, int first,
                                                      int keys) {
    const int lane = own_lane();
    return __ballot_sync(full_warp, is_visible(mask, first + lane, keys) ? 1 : 0);
}

/// Whether the two columns of this lane, in a C of 8 keys, are visible: bits 0 and 1.
__device__ __forceinline__ std::uint32_t own_columns(std::uint32_t visible) {
    return visible >> (2 * (threadIdx.x % 4)) & 3U;
}

// Tiles in shared memory.

/// Where 8 elements of a row of a [rows, depth] tile stand. The chunks of a row change places with
/// the row, so that the eight rows which ldmatrix reads at once lie in different banks.
template <int depth>
__device__ __forceinline__ bfloat16* chunk_of(bfloat16* tile, int row, int chunk) {
    constexpr unsigned chunks = depth / 8;
    const auto turn = static_cast<unsigned>(row);
    const unsigned place =
        static_cast<unsigned>(chunk) ^ (chunks >= 8 ? turn % 8 : turn * chunks / 8 % chunks);
    return tile + row * depth + place * 8;
}

/// Starts to copy keys [first, first + count) of a head; hidden ones become zeros, so that nothing
/// in them, not even a NaN, has a part in a product. `threads` is the block's size.
template <int depth, int threads>
__device__ __forceinline__ void copy_keys(bfloat16* tile, const Rows<const bfloat16>& rows,
                                          int first, int count, const std::uint8_t* mask,
                                          int keys) {
    constexpr unsigned chunks = depth / 8;
    static_assert(threads % chunks == 0);
    const auto chunk = static_cast<int>(threadIdx.x % chunks);
    for (auto row = static_cast<int>(threadIdx.x / chunks); row < count;
         row += static_cast<int>(threads / chunks)) {
        const bool is_copied = is_visible(mask, first + row, keys);
        copy_async_16(chunk_of<depth>(tile, row, chunk),
                      rows[is_copied ? first + row : 0] + chunk * 8, is_copied);
    }
}

/// Starts to copy queries [first, first + count) of a head; beyond the last one it stands again.
template <int depth, int threads>
__device__ __forceinline__ void copy_queries(bfloat16* tile, const Rows<const bfloat16>& rows,
                                             int first, int count, int queries) {
    constexpr unsigned chunks = depth / 8;
    static_assert(threads % chunks == 0);
    const auto chunk = static_cast<int>(threadIdx.x % chunks);
    for (auto row = static_cast<int>(threadIdx.x / chunks); row < count;
         row += static_cast<int>(threads / chunks)) {
        copy_async_16(chunk_of<depth>(tile, row, chunk),
                      rows[min(first + row, queries - 1)] + chunk * 8, true);
    }
}

// Operands of products.

/// A = tile[row .. row + 16, 16 k .. 16 k + 16].
template <int depth>
__device__ __forceinline__ void load_a(std::uint32_t (&a)[4], bfloat16* tile, int row, int k) {
    const int lane = own_lane();
    ldmatrix_x4(a, chunk_of<depth>(tile, row + lane % 16, 2 * k + lane / 16));
}

/// Two B of the transposed tile: columns are rows [row, row + 8) and [row + 8, row + 16), k are
/// columns [16 k, 16 k + 16).
template <int depth>
__device__ __forceinline__ void load_b(std::uint32_t (&b)[4], bfloat16* tile, int row, int k) {
    const int lane = own_lane();
    ldmatrix_x4(b, chunk_of<depth>(tile, row + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
}

/// Two B of the tile as it stands: k are rows [row, row + 16), columns [16 j, 16 j + 8) and
/// [16 j + 8, 16 j + 16).
template <int depth>
__device__ __forceinline__ void load_b_as_is(std::uint32_t (&b)[4], bfloat16* tile, int row,
                                             int j) {
    const int lane = own_lane();
    ldmatrix_x4_transposed(b, chunk_of<depth>(tile, row + lane % 16, 2 * j + lane / 16));
}

/// Two C side by side as one A.
__device__ __forceinline__ void pack_a(std::uint32_t (&a)[4], const float (&left)[4],
                                       const float (&right)[4]) {
    a[0] = pack_bf16(left[0], left[1]);
    a[1] = pack_bf16(left[2], left[3]);
    a[2] = pack_bf16(right[0], right[1]);
    a[3] = pack_bf16(right[2], right[3]);
}

template <int n>
__device__ __forceinline__ void clear(float (&values)[n][4]) {
    BALMER_UNROLL
    for (int i = 0; i < n; ++i) {
        BALMER_UNROLL
        for (int k = 0; k < 4; ++k) values[i][k] = 0.0F;
    }
}

// Rows in global memory.

/// bf16 elements seen as words of 4 and 16 bytes.
using PairOfElements [[gnu::may_alias]] = std::uint32_t;
struct [[gnu::may_alias]] alignas(16) EightElements {
    std::uint32_t pairs[4];
};

__device__ __forceinline__ std::uint32_t load_pair(const bfloat16* elements) {
    return *reinterpret_cast<const PairOfElements*>(elements);
}
__device__ __forceinline__ void store_pair(bfloat16* elements, std::uint32_t pair) {
    *reinterpret_cast<PairOfElements*>(elements) = pair;
}
__device__ __forceinline__ EightElements load_eight(const bfloat16* elements) {
    return *reinterpret_cast<const EightElements*>(elements);
}

/// Rows [first, first + 16) of a head as A, straight from global memory; beyond `last` it stands
/// again.
template <int depth>
__device__ __forceinline__ void load_rows(std::uint32_t (&a)[depth / 16][4],
                                          Rows<const bfloat16> rows, int first, int last) {
    const int lane = own_lane();
    const bfloat16* upper = rows[min(first + lane / 4, last)] + 2 * (lane % 4);
    const bfloat16* lower = rows[min(first + lane / 4 + 8, last)] + 2 * (lane % 4);
    BALMER_UNROLL
    for (int k = 0; k < depth / 16; ++k) {
        a[k][0] = load_pair(upper + 16 * k);
        a[k][1] = load_pair(lower + 16 * k);
        a[k][2] = load_pair(upper + 16 * k + 8);
        a[k][3] = load_pair(lower + 16 * k + 8);
    }
}

/// Transposes the 4 x 4 words that each four neighbouring lanes hold, a row a lane.
__device__ __forceinline__ void transpose_in_fours(std::uint32_t (&words)[4]) {
    BALMER_UNROLL
    for (int distance = 1; distance <= 2; distance *= 2) {
        const bool is_upper = (threadIdx.x & static_cast<unsigned>(distance)) != 0;
        BALMER_UNROLL
        for (int i = 0; i < 4; ++i) {
            if ((i & distance) != 0) continue;
            const std::uint32_t sent = is_upper ? words[i] : words[i + distance];
            const std::uint32_t received = __shfl_xor_sync(full_warp, sent, distance);
            words[i] = is_upper ? received : words[i];
            words[i + distance] = is_upper ? words[i + distance] : received;
        }
    }
}

/// Writes C [16, depth] times a factor (for rows g and g + 8) to rows [first, first + 16), those
/// before `end`. Lanes exchange pairs first, so that each writes 16 bytes and four of them whole
/// 64-byte segments.
template <int depth>
__device__ __forceinline__ void store_rows(Rows<bfloat16> rows, int first, int end,
                                           const float (&values)[depth / 8][4], float upper_factor,
                                           float lower_factor) {
    const int lane = own_lane();
    BALMER_UNROLL
    for (int half = 0; half < 2; ++half) {
        const float factor = half == 0 ? upper_factor : lower_factor;
        const int row = first + lane / 4 + 8 * half;
        BALMER_UNROLL
        for (int j = 0; j < depth / 8; j += 4) {
            EightElements out;
            BALMER_UNROLL
            for (int i = 0; i < 4; ++i) {
                out.pairs[i] = pack_bf16(values[j + i][2 * half] * factor,
                                         values[j + i][2 * half + 1] * factor);
            }
            transpose_in_fours(out.pairs);
            if (row < end) {
                *reinterpret_cast<EightElements*>(rows[row] + (j + lane % 4) * 8) = out;
            }
        }
    }
}

/// The sum over the four lanes that share a row of C.
__device__ __forceinline__ float sum_of_four(float value) {
    value += __shfl_xor_sync(full_warp, value, 1);
    return value + __shfl_xor_sync(full_warp, value, 2);
}
__device__ __forceinline__ float maximum_of_four(float value) {
    value = fmaxf(value, __shfl_xor_sync(full_warp, value, 1));
    return fmaxf(value, __shfl_xor_sync(full_warp, value, 2));
}

#if defined(__CUDACC__)
}  // namespace cuda_build
#else
}  // namespace simt_build
#endif
}  // namespace balmer::kernels
