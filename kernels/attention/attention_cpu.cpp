// Attention on the CPU, literally: for every head and query a row of scores, its softmax, and the
// weighted sum of the values. The backward pass forms each probability again,
//   p[t, s]  = exp(scale q[t] k[s] - log_sum_exp[t])
//   ds[t, s] = p[t, s] (out_gradient[t] v[s] - out_gradient[t] out[t])
//   dq[t] = scale sum_s ds k[s],  dk[s] = scale sum_t ds q[t],  dv[s] = sum_t p out_gradient[t]
// with the sums over t in the order of t.

#include "kernels/attention/attention_cpu.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/core/parallel.h"

namespace balmer::kernels {
namespace {

/// Row `token` of one head of a [B, T, H, D] view.
template <class T>
T* row_of(const View& view, std::int64_t b, std::int64_t token, std::int64_t h) {
    return view.as<T>() + b * view.strides[0] + token * view.strides[1] + h * view.strides[2];
}

template <class T>
accumulator_t<T> dot(const T* a, const T* b, std::int64_t n) {
    using Value = accumulator_t<T>;
    Value total = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < n; ++i) total += Value(a[i]) * Value(b[i]);
    return total;
}

/// The keys that query rows of batch element b may see.
std::vector<std::int64_t> visible_keys(const View& mask, std::int64_t b, std::int64_t keys) {
    std::vector<std::int64_t> visible;
    for (std::int64_t s = 0; s < keys; ++s) {
        if (!mask || mask.as<std::uint8_t>()[b * keys + s] != 0) visible.push_back(s);
    }
    return visible;
}

template <class T>
void attend_head(const AttentionForward& arguments, std::int64_t b, std::int64_t h) {
    using Value = accumulator_t<T>;
    const std::int64_t queries = arguments.query.shape[1];
    const std::int64_t heads = arguments.query.shape[2];
    const std::int64_t depth = arguments.query.shape[3];
    const auto visible = visible_keys(arguments.key_mask, b, arguments.key.shape[1]);
    const auto scale = static_cast<Value>(arguments.scale);
    std::vector<Value> scores(visible.size());
    std::vector<Value> sums(depth);
    for (std::int64_t t = 0; t < queries; ++t) {
        const T* query = row_of<T>(arguments.query, b, t, h);
        Value maximum = -std::numeric_limits<Value>::infinity();
        for (std::size_t i = 0; i < visible.size(); ++i) {
            scores[i] = scale * dot(query, row_of<T>(arguments.key, b, visible[i], h), depth);
            maximum = std::max(maximum, scores[i]);
        }
        Value total = 0;
        std::fill(sums.begin(), sums.end(), Value(0));
        for (std::size_t i = 0; i < visible.size(); ++i) {
            const Value probability = std::exp(scores[i] - maximum);
            const T* value = row_of<T>(arguments.value, b, visible[i], h);
            total += probability;
            for (std::int64_t d = 0; d < depth; ++d) sums[d] += probability * Value(value[d]);
        }
        T* out = row_of<T>(arguments.out, b, t, h);
        const Value norm = visible.empty() ? Value(0) : 1 / total;
        for (std::int64_t d = 0; d < depth; ++d) out[d] = T(sums[d] * norm);
        arguments.log_sum_exp.as<Value>()[(b * heads + h) * queries + t] =
            maximum + (visible.empty() ? Value(0) : std::log(total));
    }
}

/// The gradients of key and value of one head, kept in the accumulator's type until complete.
template <class Value>
struct HeadGradients {
    std::vector<Value> key;
    std::vector<Value> value;
};

template <class T>
void differentiate_query(const AttentionBackward& arguments, std::int64_t b, std::int64_t t,
                         std::int64_t h, const std::vector<std::int64_t>& visible,
                         HeadGradients<accumulator_t<T>>& gradients) {
    using Value = accumulator_t<T>;
    const std::int64_t queries = arguments.query.shape[1];
    const std::int64_t heads = arguments.query.shape[2];
    const std::int64_t depth = arguments.query.shape[3];
    const auto scale = static_cast<Value>(arguments.scale);
    const T* query = row_of<T>(arguments.query, b, t, h);
    const T* gradient = row_of<T>(arguments.out_gradient, b, t, h);
    const Value delta = dot(gradient, row_of<T>(arguments.out, b, t, h), depth);
    const Value log_sum_exp = arguments.log_sum_exp.as<Value>()[(b * heads + h) * queries + t];
    std::vector<Value> query_gradient(depth, Value(0));
    for (const std::int64_t s : visible) {
        const T* key = row_of<T>(arguments.key, b, s, h);
        const Value probability = std::exp(scale * dot(query, key, depth) - log_sum_exp);
        const Value by_score = probability *
                               (dot(gradient, row_of<T>(arguments.value, b, s, h), depth) - delta) *
                               scale;
        Value* key_gradient = gradients.key.data() + s * depth;
        Value* value_gradient = gradients.value.data() + s * depth;
        for (std::int64_t d = 0; d < depth; ++d) {
            query_gradient[d] += by_score * Value(key[d]);
            key_gradient[d] += by_score * Value(query[d]);
            value_gradient[d] += probability * Value(gradient[d]);
        }
    }
    T* target = row_of<T>(arguments.query_gradient, b, t, h);
    for (std::int64_t d = 0; d < depth; ++d) target[d] = T(query_gradient[d]);
}

template <class T>
void differentiate_head(const AttentionBackward& arguments, std::int64_t b, std::int64_t h) {
    using Value = accumulator_t<T>;
    const std::int64_t keys = arguments.key.shape[1];
    const std::int64_t depth = arguments.query.shape[3];
    const auto visible = visible_keys(arguments.key_mask, b, keys);
    HeadGradients<Value> gradients{std::vector<Value>(keys * depth),
                                   std::vector<Value>(keys * depth)};
    for (std::int64_t t = 0; t < arguments.query.shape[1]; ++t) {
        differentiate_query<T>(arguments, b, t, h, visible, gradients);
    }
    for (std::int64_t s = 0; s < keys; ++s) {
        T* key_gradient = row_of<T>(arguments.key_gradient, b, s, h);
        T* value_gradient = row_of<T>(arguments.value_gradient, b, s, h);
        for (std::int64_t d = 0; d < depth; ++d) {
            key_gradient[d] = T(gradients.key[s * depth + d]);
            value_gradient[d] = T(gradients.value[s * depth + d]);
        }
    }
}

}  // namespace

void attention_plain(const Context& context, const AttentionForward& arguments) {
    const std::int64_t heads = arguments.query.shape[2];
    dispatch_floating(arguments.query.dtype, "attention", [&](auto tag) {
        using T = typename decltype(tag)::type;
        parallel_for(context, arguments.query.shape[0] * heads, 1,
                     [&](std::int64_t i) { attend_head<T>(arguments, i / heads, i % heads); });
    });
}

void attention_backward_plain(const Context& context, const AttentionBackward& arguments) {
    const std::int64_t heads = arguments.query.shape[2];
    dispatch_floating(arguments.query.dtype, "attention_backward", [&](auto tag) {
        using T = typename decltype(tag)::type;
        parallel_for(context, arguments.query.shape[0] * heads, 1, [&](std::int64_t i) {
            differentiate_head<T>(arguments, i / heads, i % heads);
        });
    });
}

}  // namespace balmer::kernels
