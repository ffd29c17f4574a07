// Attention on the CPU by matrix products. A block of queries at a time: its scores against all
// keys of the head are one product, the softmax runs over their rows while they are in the cache,
// and the output is a second product. The backward pass forms the probabilities of a block again
// and adds five products. Memory: one block of scores a thread, whatever the number of tokens.
//
// Products are the gemm room's, single-threaded, heads and blocks being shared out over threads;
// bf16 operands are multiplied as they are, probabilities and their gradients rounded to bf16 for
// it. With a key mask the visible keys are gathered first: the products get smaller, and whatever
// stands in masked keys (NaN too) has no part in them.

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/attention/attention_cpu.h"
#include "kernels/core/lanes.h"
#include "kernels/core/parallel.h"
#include "kernels/core/vector_math.h"
#include "kernels/core/wide_vectors.h"
#include "kernels/gemm/gemm.h"

namespace balmer::kernels {
namespace {

/// The rows of one head: [tokens, D] with a leading dimension.
template <class T>
struct Rows {
    T* data = nullptr;
    std::int64_t leading = 0;

    T* row(std::int64_t i) const { return data + i * leading; }
    Rows from(std::int64_t i) const { return {row(i), leading}; }
};

template <class T>
Rows<T> head_of(const View& view, std::int64_t b, std::int64_t h) {
    return {view.as<T>() + b * view.strides[0] + h * view.strides[2],
            std::max(view.strides[1], view.shape[3])};
}

/// As many queries as fit 512 KiB of f32 scores, but no fewer than 64: smaller products are slow.
std::int64_t block_of_queries(std::int64_t queries, std::int64_t keys) {
    const std::int64_t fitting = (std::int64_t{1} << 17) / std::max<std::int64_t>(keys, 1);
    return std::min(queries, std::max<std::int64_t>(64, fitting / 16 * 16));
}

/// A product of this thread alone: D [m, n] = alpha op(A) op(B) + beta D.
template <class In, class Out>
void multiply(const Context& context, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
              const Rows<In>& a, bool transpose_a, const Rows<In>& b, bool transpose_b, float beta,
              const Rows<Out>& d) {
    Context alone = context;
    alone.threads = 1;
    gemm(alone, {.spec = {.m = m,
                          .n = n,
                          .k = k,
                          .transpose_a = transpose_a,
                          .transpose_b = transpose_b,
                          .lda = a.leading,
                          .ldb = b.leading,
                          .ldd = d.leading,
                          .alpha = alpha,
                          .beta = beta,
                          .input = dtype_of_v<In>,
                          .output = dtype_of_v<Out>},
                 .a = a.data,
                 .b = b.data,
                 .c = beta == 0.0F ? nullptr : d.data,
                 .d = d.data});
}

/// Keys and values of one head as the products take them: as they lie in memory, or, where some are
/// masked, the visible ones gathered and filled up with zeros to a multiple of 16 rows.
template <class T>
class VisibleKeys {
  public:
    template <class Arguments>
    VisibleKeys(const Arguments& arguments, std::int64_t b, std::int64_t h)
        : all_(arguments.key.shape[1]),
          count_(all_),
          rows_(all_),
          keys_(head_of<T>(arguments.key, b, h)),
          values_(head_of<T>(arguments.value, b, h)) {
        if (!arguments.key_mask) return;
        const auto* mask = arguments.key_mask.template as<std::uint8_t>() + b * all_;
        if (std::find(mask, mask + all_, std::uint8_t{0}) == mask + all_) return;
        is_gathered_ = true;
        for (std::int64_t s = 0; s < all_; ++s) {
            if (mask[s] != 0) visible_.push_back(s);
        }
        count_ = static_cast<std::int64_t>(visible_.size());
        rows_ = (count_ + 15) / 16 * 16;
        keys_ = gather(keys_, arguments.key.shape[3], key_memory_);
        values_ = gather(values_, arguments.key.shape[3], value_memory_);
    }
    VisibleKeys(const VisibleKeys&) = delete;
    VisibleKeys& operator=(const VisibleKeys&) = delete;

    const Rows<T>& keys() const { return keys_; }
    const Rows<T>& values() const { return values_; }
    std::int64_t count() const { return count_; }  ///< visible keys
    std::int64_t rows() const { return rows_; }    ///< the rows that the products work on
    bool is_gathered() const { return is_gathered_; }

    /// Writes the gradients [rows, depth] of the rows to where the keys stand; masked keys get 0.
    void scatter(const std::vector<float>& gradients, std::int64_t depth,
                 const Rows<T>& target) const {
        if (is_gathered_) {
            for (std::int64_t s = 0; s < all_; ++s) std::fill_n(target.row(s), depth, T(0.0F));
        }
        for (std::int64_t i = 0; i < count_; ++i) {
            const float* gradient = gradients.data() + i * depth;
            T* row = target.row(is_gathered_ ? visible_[i] : i);
#pragma GCC ivdep
            for (std::int64_t d = 0; d < depth; ++d) row[d] = T(gradient[d]);
        }
    }

  private:
    Rows<T> gather(const Rows<T>& source, std::int64_t depth, std::vector<T>& memory) const {
        memory.assign(rows_ * depth, T(0.0F));
        for (std::int64_t i = 0; i < count_; ++i) {
            std::copy_n(source.row(visible_[i]), depth, memory.data() + i * depth);
        }
        return {memory.data(), depth};
    }

    std::int64_t all_;
    std::int64_t count_;
    std::int64_t rows_;
    bool is_gathered_ = false;
    Rows<T> keys_;
    Rows<T> values_;
    std::vector<std::int64_t> visible_;
    std::vector<T> key_memory_;
    std::vector<T> value_memory_;
};

/// A block of [queries, keys] numbers: computed in f32, multiplied in T (the same memory for f32).
template <class T>
class Block {
  public:
    void resize(std::int64_t queries, std::int64_t keys) {
        keys_ = keys;
        computed_.resize(queries * keys);
        if constexpr (!std::is_same_v<T, float>) multiplied_.resize(queries * keys);
    }
    Rows<float> computed() { return {computed_.data(), keys_}; }
    Rows<T> multiplied() {
        if constexpr (std::is_same_v<T, float>) {
            return computed();
        } else {
            return {multiplied_.data(), keys_};
        }
    }

  private:
    std::int64_t keys_ = 0;
    std::vector<float> computed_;
    std::vector<T> multiplied_;
};

/// The softmax of `scores` [count] into `probabilities` [rows], zero beyond count; returns the
/// log-sum-exp. Scores are overwritten.
template <class T>
float softmax_row(float* scores, T* probabilities, std::int64_t count, std::int64_t rows) {
    const float maximum = maximum_of(scores, count);
    with_widest_vectors([=] {
#pragma GCC ivdep
        for (std::int64_t s = 0; s < count; ++s) scores[s] = exponential(scores[s] - maximum);
    });
    const float total = sum_of(scores, count);
    const float norm = 1.0F / total;
    with_widest_vectors([=] {
#pragma GCC ivdep
        for (std::int64_t s = 0; s < count; ++s) probabilities[s] = T(scores[s] * norm);
    });
    std::fill(probabilities + count, probabilities + rows, T(0.0F));
    return maximum + std::log(total);
}

/// Queries [first, first + count) of one head.
template <class T>
void attend_block(const Context& context, const AttentionForward& arguments, std::int64_t b,
                  std::int64_t h, std::int64_t first, std::int64_t queries,
                  const VisibleKeys<T>& visible, Block<T>& block) {
    const std::int64_t depth = arguments.query.shape[3];
    const Rows<T> out = head_of<T>(arguments.out, b, h).from(first);
    float* log_sum_exp = arguments.log_sum_exp.as<float>() +
                         (b * arguments.query.shape[2] + h) * arguments.query.shape[1] + first;
    if (visible.count() == 0) {
        for (std::int64_t t = 0; t < queries; ++t) {
            std::fill_n(out.row(t), depth, T(0.0F));
            log_sum_exp[t] = -std::numeric_limits<float>::infinity();
        }
        return;
    }
    const std::int64_t keys = visible.rows();
    block.resize(queries, keys);
    multiply(context, queries, keys, depth, static_cast<float>(arguments.scale),
             head_of<T>(arguments.query, b, h).from(first), false, visible.keys(), true, 0.0F,
             block.computed());
    for (std::int64_t t = 0; t < queries; ++t) {
        log_sum_exp[t] =
            softmax_row(block.computed().row(t), block.multiplied().row(t), visible.count(), keys);
    }
    multiply(context, queries, depth, keys, 1.0F, block.multiplied(), false, visible.values(),
             false, 0.0F, out);
}

template <class T>
float dot(const T* a, const T* b, std::int64_t n) {
    float total = 0.0F;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < n; ++i) total += float(a[i]) * float(b[i]);
    return total;
}

/// Memory of the backward pass that one thread keeps from head to head.
template <class T>
struct Workspace {
    Block<T> probabilities;
    Block<T> by_score;
    std::vector<float> key_gradient;
    std::vector<float> value_gradient;
};

/// The gradients of one head, block by block of queries.
template <class T>
class HeadGradient {
  public:
    HeadGradient(const Context& context, const AttentionBackward& arguments, std::int64_t b,
                 std::int64_t h, Workspace<T>& workspace)
        : context_(context),
          arguments_(arguments),
          b_(b),
          h_(h),
          visible_(arguments, b, h),
          work_(workspace) {}

    void run() {
        const Rows<T> key_gradient = head_of<T>(arguments_.key_gradient, b_, h_);
        const Rows<T> value_gradient = head_of<T>(arguments_.value_gradient, b_, h_);
        const std::int64_t queries = arguments_.query.shape[1];
        const std::int64_t rows = visible_.rows();
        work_.key_gradient.assign(rows * depth_, 0.0F);
        work_.value_gradient.assign(rows * depth_, 0.0F);
        const std::int64_t step = block_of_queries(queries, rows);
        for (std::int64_t first = 0; first < queries; first += step) {
            run_block(first, std::min(step, queries - first));
        }
        visible_.scatter(work_.key_gradient, depth_, key_gradient);
        visible_.scatter(work_.value_gradient, depth_, value_gradient);
    }

  private:
    void run_block(std::int64_t first, std::int64_t queries) {
        const Rows<T> query = head_of<T>(arguments_.query, b_, h_).from(first);
        const Rows<T> gradient = head_of<T>(arguments_.out_gradient, b_, h_).from(first);
        const Rows<T> query_gradient = head_of<T>(arguments_.query_gradient, b_, h_).from(first);
        const std::int64_t keys = visible_.rows();
        if (visible_.count() == 0) {
            for (std::int64_t t = 0; t < queries; ++t) {
                std::fill_n(query_gradient.row(t), depth_, T(0.0F));
            }
            return;
        }
        const auto scale = static_cast<float>(arguments_.scale);
        work_.probabilities.resize(queries, keys);
        work_.by_score.resize(queries, keys);
        multiply(context_, queries, keys, depth_, scale, query, false, visible_.keys(), true, 0.0F,
                 work_.probabilities.computed());
        multiply(context_, queries, keys, depth_, 1.0F, gradient, false, visible_.values(), true,
                 0.0F, work_.by_score.computed());
        const Rows<T> out = head_of<T>(arguments_.out, b_, h_).from(first);
        for (std::int64_t t = 0; t < queries; ++t) {
            differentiate_row(first, t, dot(gradient.row(t), out.row(t), depth_));
        }
        const Rows<float> key_sums{work_.key_gradient.data(), depth_};
        const Rows<float> value_sums{work_.value_gradient.data(), depth_};
        multiply(context_, keys, depth_, queries, 1.0F, work_.probabilities.multiplied(), true,
                 gradient, false, 1.0F, value_sums);
        multiply(context_, keys, depth_, queries, scale, work_.by_score.multiplied(), true, query,
                 false, 1.0F, key_sums);
        multiply(context_, queries, depth_, keys, scale, work_.by_score.multiplied(), false,
                 visible_.keys(), false, 0.0F, query_gradient);
    }

    /// Scores become probabilities, their gradients by probability gradients by score.
    void differentiate_row(std::int64_t first, std::int64_t t, float delta) {
        const std::int64_t heads = arguments_.query.shape[2];
        const std::int64_t queries = arguments_.query.shape[1];
        const float log_sum_exp =
            arguments_.log_sum_exp.as<float>()[(b_ * heads + h_) * queries + first + t];
        const float* scores = work_.probabilities.computed().row(t);
        const float* by_probability = work_.by_score.computed().row(t);
        T* probabilities = work_.probabilities.multiplied().row(t);
        T* by_score = work_.by_score.multiplied().row(t);
        const std::int64_t count = visible_.count();
        with_widest_vectors([=] {
#pragma GCC ivdep
            for (std::int64_t s = 0; s < count; ++s) {
                const float probability = exponential(scores[s] - log_sum_exp);
                by_score[s] = T(probability * (by_probability[s] - delta));
                probabilities[s] = T(probability);
            }
        });
        std::fill(probabilities + count, probabilities + visible_.rows(), T(0.0F));
        std::fill(by_score + count, by_score + visible_.rows(), T(0.0F));
    }

    const Context& context_;
    const AttentionBackward& arguments_;
    std::int64_t b_;
    std::int64_t h_;
    std::int64_t depth_ = arguments_.query.shape[3];
    VisibleKeys<T> visible_;
    Workspace<T>& work_;
};

/// Why the products cannot take a view; empty if they can.
std::string refusal_of(const View& view) {
    if (view.dtype == DType::f64) return "has no f64";
    if (view.shape[1] > 1 && view.strides[1] < view.shape[3]) return "tokens overlap in memory";
    return "";
}

std::string refusal_of(const Context& context, std::initializer_list<View> views) {
    if (context.device.type != DeviceType::cpu) return "runs on the cpu only";
    for (const View& view : views) {
        std::string reason = refusal_of(view);
        if (!reason.empty()) return reason;
    }
    return "";
}

/// Calls body(type_tag<float or bfloat16>{}).
template <class Body>
void dispatch_element(DType dtype, const Body& body) {
    if (dtype == DType::bf16) return body(type_tag<bfloat16>{});
    body(type_tag<float>{});
}

}  // namespace

std::string accepts_attention_blocked(const Context& context, const AttentionForward& arguments) {
    return refusal_of(context, {arguments.query, arguments.key, arguments.value, arguments.out});
}

std::string accepts_attention_backward_blocked(const Context& context,
                                               const AttentionBackward& arguments) {
    return refusal_of(context, {arguments.query, arguments.key, arguments.value, arguments.out,
                                arguments.out_gradient, arguments.query_gradient,
                                arguments.key_gradient, arguments.value_gradient});
}

void attention_blocked(const Context& context, const AttentionForward& arguments) {
    const std::int64_t queries = arguments.query.shape[1];
    const std::int64_t heads = arguments.query.shape[2];
    const std::int64_t step = block_of_queries(queries, arguments.key.shape[1]);
    if (queries == 0) return;
    const std::int64_t blocks = (queries + step - 1) / step;
    const std::int64_t count = arguments.query.shape[0] * heads * blocks;
    dispatch_element(arguments.query.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        parallel_ranges(context, count, 1, [&](std::int64_t begin, std::int64_t end) {
            Block<T> block;
            while (begin < end) {
                const std::int64_t head = begin / blocks;
                const std::int64_t last = std::min(end, (head + 1) * blocks);
                const VisibleKeys<T> visible(arguments, head / heads, head % heads);
                for (; begin < last; ++begin) {
                    const std::int64_t first = begin % blocks * step;
                    attend_block(context, arguments, head / heads, head % heads, first,
                                 std::min(step, queries - first), visible, block);
                }
            }
        });
    });
}

void attention_backward_blocked(const Context& context, const AttentionBackward& arguments) {
    const std::int64_t heads = arguments.query.shape[2];
    dispatch_element(arguments.query.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const std::int64_t count = arguments.query.shape[0] * heads;
        parallel_ranges(context, count, 1, [&](std::int64_t begin, std::int64_t end) {
            Workspace<T> workspace;
            for (auto i = begin; i < end; ++i) {
                HeadGradient<T>(context, arguments, i / heads, i % heads, workspace).run();
            }
        });
    });
}

}  // namespace balmer::kernels
