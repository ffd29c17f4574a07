// Layer normalisation of every token, alone and with the residual path fused in.
// Peer: cuDNN's LayerNorm, for the forms without a residual (it has no fused one).

#include "kernels/layer_norm/layer_norm.h"

#include <fmt/format.h>

#include "bench/bench_case.h"

namespace balmer::bench {

namespace {

using cudnn::Id;

constexpr double epsilon = 1e-5;

struct LayerNormOperands {
    kernels::LayerNormForward forward;

    LayerNormOperands(Operands& operands, std::int64_t rows, std::int64_t columns,
                      bool with_residual) {
        forward.x = operands.normal({rows, columns}, 2.0, 0.5);
        if (with_residual) {
            forward.residual = operands.normal({rows, columns});
            forward.sum = operands.output({rows, columns});
        }
        forward.weight = operands.normal_statistics({columns}, 0.2, 1.0);
        forward.bias = operands.normal_statistics({columns}, 0.2);
        forward.epsilon = epsilon;
        forward.y = operands.output({rows, columns});
        forward.mean = operands.output_statistics({rows});
        forward.reciprocal_deviation = operands.output_statistics({rows});
    }
};

Calls forward_calls(const Workload& w, bool with_residual, Operands& operands, Peers* peers,
                    std::int64_t batch) {
    const std::int64_t rows = batch * w.tokens;
    const LayerNormOperands own(operands, rows, w.width, with_residual);
    const kernels::LayerNormForward& forward = own.forward;
    Calls calls{
        .own = {.run = [forward,
                        context = operands.context()] { kernels::layer_norm(context, forward); },
                .outputs = {{.name = "y", .view = forward.y},
                            {.name = "mean", .view = forward.mean},
                            {.name = "reciprocal_deviation",
                             .view = forward.reciprocal_deviation}}},
        .peer = {}};
    if (with_residual) calls.own.outputs.push_back({.name = "sum", .view = forward.sum});
    if (peers == nullptr || with_residual) return calls;
    const View y = operands.output(forward.y.shape);
    const View mean = operands.output_statistics({rows});
    const View deviation = operands.output_statistics({rows});
    const cudnn::RowShape shape{.rows = rows, .columns = w.width};
    auto run = peers->call(
        fmt::format("layer_norm_forward {} {}", rows, w.width),
        [shape](const cudnn::Cudnn& library) { return library.layer_norm_forward(shape); },
        {{Id::x, forward.x.data},
         {Id::weight, forward.weight.data},
         {Id::bias, forward.bias.data},
         {Id::epsilon, peers->scalar(static_cast<float>(epsilon))},
         {Id::y, y.data},
         {Id::mean, mean.data},
         {Id::reciprocal_deviation, deviation.data}});
    if (run) {
        calls.peer = {.run = run,
                      .outputs = {{.name = "y", .view = y},
                                  {.name = "mean", .view = mean},
                                  {.name = "reciprocal_deviation", .view = deviation}}};
    }
    return calls;
}

Calls backward_calls(const Workload& w, bool with_residual, Operands& operands, Peers* peers,
                     std::int64_t batch) {
    const std::int64_t rows = batch * w.tokens;
    const LayerNormOperands own(operands, rows, w.width, false);
    kernels::layer_norm(operands.context(), own.forward);
    const kernels::LayerNormBackward backward{
        .dy = operands.normal({rows, w.width}),
        .x = own.forward.x,
        .weight = own.forward.weight,
        .mean = own.forward.mean,
        .reciprocal_deviation = own.forward.reciprocal_deviation,
        .dx_addend = with_residual ? operands.normal({rows, w.width}) : View(),
        .dx = operands.output({rows, w.width}),
        .weight_gradient = operands.output_statistics({w.width}),
        .bias_gradient = operands.output_statistics({w.width})};
    const auto outputs = [](const View& dx, const View& weight, const View& bias) {
        return std::vector<Output>{
            {.name = "dx", .view = dx},
            {.name = "weight_gradient", .view = weight, .leads_with_batch = false},
            {.name = "bias_gradient", .view = bias, .leads_with_batch = false}};
    };
    Calls calls{
        .own = {.run =
                    [backward, context = operands.context()] {
                        kernels::layer_norm_backward(context, backward);
                    },
                .outputs = outputs(backward.dx, backward.weight_gradient, backward.bias_gradient)},
        .peer = {}};
    if (peers == nullptr || with_residual) return calls;
    const View dx = operands.output({rows, w.width});
    const View weight_gradient = operands.output_statistics({w.width});
    const View bias_gradient = operands.output_statistics({w.width});
    const cudnn::RowShape shape{.rows = rows, .columns = w.width};
    auto run = peers->call(
        fmt::format("layer_norm_backward {} {}", rows, w.width),
        [shape](const cudnn::Cudnn& library) { return library.layer_norm_backward(shape); },
        {{Id::x, backward.x.data},
         {Id::dy, backward.dy.data},
         {Id::weight, backward.weight.data},
         {Id::mean, backward.mean.data},
         {Id::reciprocal_deviation, backward.reciprocal_deviation.data},
         {Id::dx, dx.data},
         {Id::weight_gradient, weight_gradient.data},
         {Id::bias_gradient, bias_gradient.data}});
    if (run) {
        calls.peer = {.run = run, .outputs = outputs(dx, weight_gradient, bias_gradient)};
    }
    return calls;
}

}  // namespace

std::vector<BenchCase> layer_norm_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    for (const std::int64_t batch : w.batches) {
        const std::int64_t rows = batch * w.tokens;
        const double matrix =
            static_cast<double>(rows * w.width) * static_cast<double>(size_of(w.dtype));
        const double statistics = 8.0 * static_cast<double>(rows);
        for (const bool with_residual : {false, true}) {
            const char* suffix = with_residual ? "_residual" : "";
            BenchCase forward{
                .name = fmt::format("layer_norm_forward{}", suffix),
                .model = w.model,
                .shape = fmt::format("R={} C={}", rows, w.width),
                .batch = batch,
                .dtype = w.dtype,
                .work = {0.0, (with_residual ? 4.0 : 2.0) * matrix + statistics},
                .make =
                    [w, with_residual](Operands& operands, Peers* peers, std::int64_t count) {
                        return forward_calls(w, with_residual, operands, peers, count);
                    },
                .tolerance = tolerance_of(w.dtype)};
            BenchCase backward = forward;
            backward.name = fmt::format("layer_norm_backward{}", suffix);
            backward.work.bytes = (with_residual ? 4.0 : 3.0) * matrix + statistics;
            backward.make = [w, with_residual](Operands& operands, Peers* peers,
                                               std::int64_t count) {
                return backward_calls(w, with_residual, operands, peers, count);
            };
            cases.push_back(std::move(forward));
            cases.push_back(std::move(backward));
        }
    }
    return cases;
}

}  // namespace balmer::bench
