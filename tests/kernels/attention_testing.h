#pragma once
// Problems of attention with their solutions in f64, and what an implementation makes of them.

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/attention/attention.h"
#include "tests/kernels/kernel_testing.h"

namespace balmer::kernels::testing {

enum class Mask : std::uint8_t { none, padding, scattered, all_of_the_first };

struct AttentionCase {
    const char* name;
    std::int64_t batch;
    std::int64_t queries;
    std::int64_t keys;
    std::int64_t heads;
    std::int64_t depth;
    Mask mask = Mask::none;
    bool is_packed = false;  ///< query, key and value lie in one [B, T, 3, H, D]
    Layout layout = Layout::contiguous;
    double deviation = 1.0;
    Alignment alignment = Alignment::element;
};

inline std::ostream& operator<<(std::ostream& stream, const AttentionCase& item) {
    return stream << item.name;
}

/// One of query, key and value, and the operand that holds it.
inline View part_of(const Operand& packed, int part, const Context& context) {
    const View whole = packed.view(context);  // [B, T, 3, H, D]
    View view = whole;
    view.shape = whole.shape.without(2);
    view.strides = whole.strides.without(2);
    view.data = static_cast<std::uint8_t*>(whole.data) +
                part * whole.strides[2] * static_cast<std::int64_t>(size_of(whole.dtype));
    return view;
}

/// A flat [B, tokens, H, D] array of f64.
struct Heads {
    std::vector<double> values;
    std::int64_t tokens, heads, depth;
    double& at(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t d) {
        return values[((b * tokens + t) * heads + h) * depth + d];
    }
};

struct Problem {
    AttentionCase item;
    Operand packed, query, key, value, out, log_sum_exp, mask, out_gradient;
    Operand packed_gradient, query_gradient, key_gradient, value_gradient;
    Heads expected_out, expected_dq, expected_dk, expected_dv;
    std::vector<double> expected_log_sum_exp;
    double scale;

    Problem(const AttentionCase& the_case, DType dtype)
        : item(the_case), scale(1.0 / std::sqrt(static_cast<double>(the_case.depth))) {
        Random random(6);
        const Shape queries = {item.batch, item.queries, item.heads, item.depth};
        const Shape keys = {item.batch, item.keys, item.heads, item.depth};
        if (item.is_packed) {
            const Shape shape = {item.batch, item.queries, 3, item.heads, item.depth};
            packed = operand(dtype, shape).randomise(random, item.deviation);
            packed_gradient = operand(dtype, shape);
        }
        query = operand(dtype, queries).randomise(random, item.deviation);
        key = operand(dtype, keys).randomise(random, item.deviation);
        value = operand(dtype, keys).randomise(random, item.deviation);
        query_gradient = operand(dtype, queries);
        key_gradient = operand(dtype, keys);
        value_gradient = operand(dtype, keys);
        out = operand(dtype, queries);
        out_gradient = operand(dtype, queries).randomise(random);
        log_sum_exp = Operand(statistics_dtype(dtype), {item.batch, item.heads, item.queries});
        if (item.mask != Mask::none) {
            std::vector<double> visible;
            for (std::int64_t b = 0; b < item.batch; ++b) {
                for (std::int64_t s = 0; s < item.keys; ++s) {
                    const bool is_padding = s >= item.keys - 3 * b;
                    visible.push_back(item.mask == Mask::padding     ? (is_padding ? 0 : 1)
                                      : item.mask == Mask::scattered ? (s * 7 + b) % 3
                                                                     : b);
                }
            }
            mask = Operand(DType::u8, {item.batch, item.keys}).set(visible);
        }
        if (item.is_packed) unpack();
        compute();
    }

    Operand operand(DType dtype, const Shape& shape) const {
        return {dtype, shape, item.is_packed ? Layout::contiguous : item.layout, item.alignment};
    }

    void unpack() {
        const auto whole = packed.values();
        std::vector<double> parts[3];
        const std::size_t length = item.heads * item.depth;
        for (std::size_t i = 0; i < whole.size(); ++i) parts[i / length % 3].push_back(whole[i]);
        query.set(parts[0]);
        key.set(parts[1]);
        value.set(parts[2]);
    }

    void compute() {
        Heads q{query.values(), item.queries, item.heads, item.depth};
        Heads k{key.values(), item.keys, item.heads, item.depth};
        Heads v{value.values(), item.keys, item.heads, item.depth};
        Heads g{out_gradient.values(), item.queries, item.heads, item.depth};
        expected_out = {std::vector<double>(q.values.size()), item.queries, item.heads, item.depth};
        expected_dq = expected_out;
        expected_dk = {std::vector<double>(k.values.size()), item.keys, item.heads, item.depth};
        expected_dv = expected_dk;
        const auto visible = mask.values();
        for (std::int64_t b = 0; b < item.batch; ++b) {
            for (std::int64_t h = 0; h < item.heads; ++h) {
                for (std::int64_t t = 0; t < item.queries; ++t) {
                    std::vector<double> p(item.keys, 0.0);
                    double maximum = -infinity;
                    for (std::int64_t s = 0; s < item.keys; ++s) {
                        double score = 0.0;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            score += scale * q.at(b, t, h, d) * k.at(b, s, h, d);
                        }
                        const bool is_seen = !mask || visible[b * item.keys + s] != 0.0;
                        p[s] = is_seen ? score : -infinity;
                        maximum = std::max(maximum, p[s]);
                    }
                    double total = 0.0;
                    for (double& x : p) {
                        x = x == -infinity ? 0.0 : std::exp(x - maximum);
                        total += x;
                    }
                    expected_log_sum_exp.push_back(total == 0.0 ? -infinity
                                                                : maximum + std::log(total));
                    double delta = 0.0;
                    for (std::int64_t s = 0; s < item.keys; ++s) {
                        if (p[s] == 0.0) continue;
                        p[s] /= total;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            expected_out.at(b, t, h, d) += p[s] * v.at(b, s, h, d);
                            expected_dv.at(b, s, h, d) += p[s] * g.at(b, t, h, d);
                            delta += p[s] * g.at(b, t, h, d) * v.at(b, s, h, d);
                        }
                    }
                    for (std::int64_t s = 0; s < item.keys; ++s) {
                        double by_score = -delta;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            by_score += g.at(b, t, h, d) * v.at(b, s, h, d);
                        }
                        by_score *= p[s] * scale;
                        for (std::int64_t d = 0; d < item.depth; ++d) {
                            expected_dq.at(b, t, h, d) += by_score * k.at(b, s, h, d);
                            expected_dk.at(b, s, h, d) += by_score * q.at(b, t, h, d);
                        }
                    }
                }
            }
        }
    }

    template <class Arguments>
    void set_inputs(Arguments& arguments, const Context& context) const {
        const bool packs = item.is_packed;
        arguments.query = packs ? part_of(packed, 0, context) : query.view(context);
        arguments.key = packs ? part_of(packed, 1, context) : key.view(context);
        arguments.value = packs ? part_of(packed, 2, context) : value.view(context);
        if (mask) arguments.key_mask = mask.view(context);
        arguments.scale = scale;
        arguments.out = out.view(context);
        arguments.log_sum_exp = log_sum_exp.view(context);
    }

    AttentionForward forward(const Context& context) const {
        AttentionForward arguments;
        set_inputs(arguments, context);
        return arguments;
    }

    AttentionBackward backward(const Context& context) const {
        AttentionBackward arguments;
        set_inputs(arguments, context);
        const bool packs = item.is_packed;
        const auto gradient = [&](const Operand& own, int part) {
            return packs ? part_of(packed_gradient, part, context) : own.view(context);
        };
        arguments.out_gradient = out_gradient.view(context);
        arguments.query_gradient = gradient(query_gradient, 0);
        arguments.key_gradient = gradient(key_gradient, 1);
        arguments.value_gradient = gradient(value_gradient, 2);
        return arguments;
    }

    /// Query, key and value gradients, one behind the other.
    std::vector<double> gradients() const {
        std::vector<double> result;
        if (item.is_packed) {
            const auto whole = packed_gradient.values();
            const std::size_t length = item.heads * item.depth;
            for (std::size_t part = 0; part < 3; ++part) {
                for (std::size_t i = 0; i < whole.size(); ++i) {
                    if (i / length % 3 == part) result.push_back(whole[i]);
                }
            }
            return result;
        }
        for (const Operand* operand : {&query_gradient, &key_gradient, &value_gradient}) {
            const auto values = operand->values();
            result.insert(result.end(), values.begin(), values.end());
        }
        return result;
    }

    std::vector<double> expected_gradients() const {
        std::vector<double> result;
        for (const Heads* heads : {&expected_dq, &expected_dk, &expected_dv}) {
            result.insert(result.end(), heads->values.begin(), heads->values.end());
        }
        return result;
    }

    void expect_guards_intact(const std::string& what) const {
        for (const Operand* operand : {&out, &log_sum_exp, &query_gradient, &key_gradient,
                                       &value_gradient, &packed_gradient, &packed}) {
            EXPECT_TRUE(operand->guards_are_intact()) << what;
        }
    }
};

/// What a way computed of a problem: forward, and backward from the exact out and log-sum-exp.
/// Empty where the way declines.
struct Results {
    std::vector<double> out;
    std::vector<double> log_sum_exp;
    std::vector<double> gradients;
};

inline Results run(Problem& problem, const Way& way, SameBits& same_bits) {
    Results results;
    const std::string what =
        std::string(problem.item.name) + " " + std::string(name_of(problem.out.dtype())) + " ";
    problem.out.poison();
    if (run_way(way, "attention",
                [&](const Context& context) { attention(context, problem.forward(context)); })) {
        results.out = problem.out.values();
        results.log_sum_exp = problem.log_sum_exp.values();
        problem.expect_guards_intact("forward" + rerun(way, "attention"));
        same_bits.expect(way, what + "out", problem.out);
        same_bits.expect(way, what + "log_sum_exp", problem.log_sum_exp);
    }
    problem.out.set(problem.expected_out.values);
    problem.log_sum_exp.set(problem.expected_log_sum_exp);
    if (run_way(way, "attention_backward", [&](const Context& context) {
            attention_backward(context, problem.backward(context));
        })) {
        results.gradients = problem.gradients();
        problem.expect_guards_intact("backward" + rerun(way, "attention_backward"));
        for (const Operand* gradient : {&problem.packed_gradient, &problem.query_gradient,
                                        &problem.key_gradient, &problem.value_gradient}) {
            same_bits.expect(way, what + "gradient " + std::to_string(gradient - &problem.packed),
                             *gradient);
        }
    }
    return results;
}

inline Results run(Problem& problem, const Way& way) {
    SameBits same_bits;
    return run(problem, way, same_bits);
}

inline const std::vector<std::string> cpu_choices = {"blocked", "plain"};
inline const std::vector<std::string> device_choices = {"short", "streaming", "general"};

/// All ways to solve a problem, but those that would take simt long: the general kernels with a
/// large problem, whose tiles are those of smaller ones, and race checks under other schedules,
/// which see the same accesses.
inline std::vector<Way> ways_for(const AttentionCase& item,
                                 const std::vector<std::string>& choices) {
    std::vector<Way> ways = ways_of(choices, device_choices);
    const bool is_large = item.queries * item.keys > 30000;
    std::erase_if(ways, [&](const Way& way) {
        if (way.context.device.type != DeviceType::simt) return false;
        const auto& schedule = *static_cast<const simt::Schedule*>(way.context.stream);
        return (is_large && way.choice == "general") ||
               (schedule.checks_races && schedule.seed != simt_seeds()[1]);
    });
    return ways;
}

}  // namespace balmer::kernels::testing
