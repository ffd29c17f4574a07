// Multi-head attention over packed projections [B, T, 3, H, D], forward and backward.
// Peer: cuDNN's scaled dot-product attention on the same memory.

#include "kernels/attention/attention.h"

#include <cmath>

#include <fmt/format.h>

#include "bench/bench_case.h"

namespace balmer::bench {

namespace {

using cudnn::Binding;
using cudnn::Id;

/// Query, key or value of [B, T, 3, H, D].
View third(const View& packed, std::int64_t index) {
    View part = packed;
    const std::int64_t row = packed.shape[3] * packed.shape[4];
    part.data = static_cast<std::byte*>(packed.data) +
                static_cast<std::size_t>(index * row) * size_of(packed.dtype);
    part.shape = packed.shape.without(2);
    part.strides = packed.strides.without(2);
    return part;
}

struct AttentionOperands {
    View packed;
    View out;
    View log_sum_exp;
    kernels::AttentionForward forward;

    AttentionOperands(Operands& operands, const Workload& w, std::int64_t batch)
        : packed(operands.normal({batch, w.tokens, 3, w.heads, w.depth()})),
          out(operands.output({batch, w.tokens, w.heads, w.depth()})),
          log_sum_exp(operands.output_statistics({batch, w.heads, w.tokens})),
          forward{.query = third(packed, 0),
                  .key = third(packed, 1),
                  .value = third(packed, 2),
                  .key_mask = {},
                  .scale = 1.0 / std::sqrt(static_cast<double>(w.depth())),
                  .out = out,
                  .log_sum_exp = log_sum_exp} {}
};

cudnn::AttentionShape shape_of(const Workload& w, std::int64_t batch) {
    return {.batch = batch, .tokens = w.tokens, .heads = w.heads, .depth = w.depth()};
}

/// cuDNN's forward pass on these operands, into memory of its own; null where it has none.
std::function<void()> peer_forward(const Workload& w, const AttentionOperands& own, Peers& peers,
                                   std::int64_t batch, const View& out, const View& log_sum_exp) {
    const cudnn::AttentionShape shape = shape_of(w, batch);
    return peers.call(
        fmt::format("attention_forward {} {}", w.model, batch),
        [shape](const cudnn::Cudnn& library) { return library.attention_forward(shape); },
        {{Id::query, own.forward.query.data},
         {Id::key, own.forward.key.data},
         {Id::value, own.forward.value.data},
         {Id::out, out.data},
         {Id::log_sum_exp, log_sum_exp.data},
         {Id::scale, peers.scalar(static_cast<float>(own.forward.scale))}});
}

Calls forward_calls(const Workload& w, Operands& operands, Peers* peers, std::int64_t batch) {
    const AttentionOperands own(operands, w, batch);
    Calls calls{
        .own = {.run = [arguments = own.forward,
                        context = operands.context()] { kernels::attention(context, arguments); },
                .outputs = {{.name = "out", .view = own.out}}},
        .peer = {}};
    if (peers == nullptr) return calls;
    const View out = operands.output(own.out.shape);
    const View log_sum_exp = operands.output_statistics(own.log_sum_exp.shape);
    auto run = peer_forward(w, own, *peers, batch, out, log_sum_exp);
    if (run) calls.peer = {.run = run, .outputs = {{.name = "out", .view = out}}};
    return calls;
}

Calls backward_calls(const Workload& w, Operands& operands, Peers* peers, std::int64_t batch) {
    const AttentionOperands own(operands, w, batch);
    kernels::attention(operands.context(), own.forward);
    const View out_gradient = operands.normal(own.out.shape);
    const View gradient = operands.output(own.packed.shape);
    const kernels::AttentionBackward arguments{.out_gradient = out_gradient,
                                               .query = own.forward.query,
                                               .key = own.forward.key,
                                               .value = own.forward.value,
                                               .key_mask = {},
                                               .scale = own.forward.scale,
                                               .out = own.out,
                                               .log_sum_exp = own.log_sum_exp,
                                               .query_gradient = third(gradient, 0),
                                               .key_gradient = third(gradient, 1),
                                               .value_gradient = third(gradient, 2)};
    Calls calls{.own = {.run =
                            [arguments, context = operands.context()] {
                                kernels::attention_backward(context, arguments);
                            },
                        .outputs = {{.name = "gradients", .view = gradient}}},
                .peer = {}};
    if (peers == nullptr) return calls;
    // Each backward pass starts from its own forward pass.
    const View peer_out = operands.output(own.out.shape);
    const View peer_log_sum_exp = operands.output_statistics(own.log_sum_exp.shape);
    const auto forward = peer_forward(w, own, *peers, batch, peer_out, peer_log_sum_exp);
    if (!forward) return calls;
    forward();
    const View peer_gradient = operands.output(own.packed.shape);
    const cudnn::AttentionShape shape = shape_of(w, batch);
    auto run = peers->call(
        fmt::format("attention_backward {} {}", w.model, batch),
        [shape](const cudnn::Cudnn& library) { return library.attention_backward(shape); },
        {{Id::query, own.forward.query.data},
         {Id::key, own.forward.key.data},
         {Id::value, own.forward.value.data},
         {Id::out, peer_out.data},
         {Id::out_gradient, out_gradient.data},
         {Id::log_sum_exp, peer_log_sum_exp.data},
         {Id::query_gradient, third(peer_gradient, 0).data},
         {Id::key_gradient, third(peer_gradient, 1).data},
         {Id::value_gradient, third(peer_gradient, 2).data},
         {Id::scale, peers->scalar(static_cast<float>(own.forward.scale))}});
    if (run) calls.peer = {.run = run, .outputs = {{.name = "gradients", .view = peer_gradient}}};
    return calls;
}

}  // namespace

std::vector<BenchCase> attention_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    for (const std::int64_t batch : w.batches) {
        const auto matrix = static_cast<double>(batch * w.tokens * w.width);
        const auto size = static_cast<double>(size_of(w.dtype));
        const auto statistics = 4.0 * static_cast<double>(batch * w.heads * w.tokens);
        const double product = 2.0 * matrix * static_cast<double>(w.tokens);
        const std::string shape =
            fmt::format("B={} T={} H={} D={}", batch, w.tokens, w.heads, w.depth());
        cases.push_back(
            {.name = "attention_forward",
             .model = w.model,
             .shape = shape,
             .batch = batch,
             .dtype = w.dtype,
             .work = {2.0 * product, 4.0 * matrix * size + statistics},
             .make = [w](Operands& operands, Peers* peers,
                         std::int64_t count) { return forward_calls(w, operands, peers, count); },
             .tolerance = tolerance_of(w.dtype)});
        cases.push_back(
            {.name = "attention_backward",
             .model = w.model,
             .shape = shape,
             .batch = batch,
             .dtype = w.dtype,
             .work = {5.0 * product, 8.0 * matrix * size + statistics},
             .make = [w](Operands& operands, Peers* peers,
                         std::int64_t count) { return backward_calls(w, operands, peers, count); },
             .tolerance = 2.0 * tolerance_of(w.dtype)});
    }
    return cases;
}

}  // namespace balmer::bench
