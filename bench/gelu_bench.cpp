// The exact GELU of the MLP's hidden layer, alone and with the bias added first.
// Peer: cuDNN's erf-GELU, for the forms without a bias.

#include "kernels/gelu/gelu.h"

#include <fmt/format.h>

#include "bench/bench_case.h"

namespace balmer::bench {

namespace {

using cudnn::Id;

Calls forward_calls(const Workload& w, bool with_bias, Operands& operands, Peers* peers,
                    std::int64_t batch) {
    const std::int64_t rows = batch * w.tokens;
    const Shape matrix{rows, w.mlp_width};
    const kernels::GeluForward forward{
        .x = operands.normal(matrix),
        .bias = with_bias ? operands.normal_statistics({w.mlp_width}) : View(),
        .y = operands.output(matrix)};
    Calls calls{
        .own = {.run = [forward, context = operands.context()] { kernels::gelu(context, forward); },
                .outputs = {{.name = "y", .view = forward.y}}},
        .peer = {}};
    if (peers == nullptr || with_bias) return calls;
    const View y = operands.output(matrix);
    const cudnn::RowShape shape{.rows = rows, .columns = w.mlp_width};
    auto run =
        peers->call(fmt::format("gelu_forward {} {}", rows, w.mlp_width),
                    [shape](const cudnn::Cudnn& library) { return library.gelu_forward(shape); },
                    {{Id::x, forward.x.data}, {Id::y, y.data}});
    if (run) calls.peer = {.run = run, .outputs = {{.name = "y", .view = y}}};
    return calls;
}

Calls backward_calls(const Workload& w, bool with_bias, Operands& operands, Peers* peers,
                     std::int64_t batch) {
    const std::int64_t rows = batch * w.tokens;
    const Shape matrix{rows, w.mlp_width};
    const kernels::GeluBackward backward{
        .dy = operands.normal(matrix),
        .x = operands.normal(matrix),
        .bias = with_bias ? operands.normal_statistics({w.mlp_width}) : View(),
        .dx = operands.output(matrix)};
    Calls calls{.own = {.run =
                            [backward, context = operands.context()] {
                                kernels::gelu_backward(context, backward);
                            },
                        .outputs = {{.name = "dx", .view = backward.dx}}},
                .peer = {}};
    if (peers == nullptr || with_bias) return calls;
    const View dx = operands.output(matrix);
    const cudnn::RowShape shape{.rows = rows, .columns = w.mlp_width};
    auto run =
        peers->call(fmt::format("gelu_backward {} {}", rows, w.mlp_width),
                    [shape](const cudnn::Cudnn& library) { return library.gelu_backward(shape); },
                    {{Id::x, backward.x.data}, {Id::dy, backward.dy.data}, {Id::dx, dx.data}});
    if (run) calls.peer = {.run = run, .outputs = {{.name = "dx", .view = dx}}};
    return calls;
}

}  // namespace

std::vector<BenchCase> gelu_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    for (const std::int64_t batch : w.batches) {
        const std::int64_t rows = batch * w.tokens;
        const double matrix =
            static_cast<double>(rows * w.mlp_width) * static_cast<double>(size_of(w.dtype));
        for (const bool with_bias : {false, true}) {
            const char* suffix = with_bias ? "_bias" : "";
            BenchCase forward{
                .name = fmt::format("gelu_forward{}", suffix),
                .model = w.model,
                .shape = fmt::format("R={} C={}", rows, w.mlp_width),
                .batch = batch,
                .dtype = w.dtype,
                .work = {0.0, 2.0 * matrix},
                .make =
                    [w, with_bias](Operands& operands, Peers* peers, std::int64_t count) {
                        return forward_calls(w, with_bias, operands, peers, count);
                    },
                .tolerance = tolerance_of(w.dtype)};
            BenchCase backward = forward;
            backward.name = fmt::format("gelu_backward{}", suffix);
            backward.work.bytes = 3.0 * matrix;
            backward.make = [w, with_bias](Operands& operands, Peers* peers, std::int64_t count) {
                return backward_calls(w, with_bias, operands, peers, count);
            };
            cases.push_back(std::move(forward));
            cases.push_back(std::move(backward));
        }
    }
    return cases;
}

}  // namespace balmer::bench
