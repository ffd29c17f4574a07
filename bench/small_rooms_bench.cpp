// The rooms whose kernels have no counterpart in cuDNN: losses, AdamW, reductions, element-wise
// operations. They are judged by the copy bandwidth.

#include <fmt/format.h>

#include "bench/bench_case.h"
#include "kernels/adamw/adamw.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/mse/mse.h"
#include "kernels/reduce/reduce.h"

namespace balmer::bench {

namespace {

using Make = std::function<Calls(Operands&, std::int64_t batch)>;

BenchCase plain_case(const Workload& w, const char* name, std::string shape, std::int64_t batch,
                     double bytes, Make make) {
    return {.name = name,
            .model = w.model,
            .shape = std::move(shape),
            .batch = batch,
            .dtype = w.dtype,
            .work = {0.0, bytes},
            .make = [make = std::move(make)](Operands& operands, Peers*,
                                             std::int64_t count) { return make(operands, count); },
            .tolerance = tolerance_of(w.dtype)};
}

/// Elements of all weights of a model's blocks: what AdamW and the gradient norm go over.
std::int64_t block_parameters(const Workload& w) {
    return w.layers * (4 * w.width * w.width + 2 * w.width * w.mlp_width);
}

Calls adamw_calls(const Workload& w, Operands& operands) {
    auto parameters = std::make_shared<std::vector<kernels::AdamWParameter>>();
    std::vector<Output> outputs;
    // As many tensors as a model has, so that one launch has many addresses to follow.
    for (std::int64_t layer = 0; layer < w.layers; ++layer) {
        for (const Shape& shape :
             {Shape{3 * w.width, w.width}, Shape{w.width, w.width}, Shape{w.mlp_width, w.width},
              Shape{w.width, w.mlp_width}, Shape{w.width}, Shape{w.mlp_width}}) {
            kernels::AdamWParameter parameter;
            parameter.parameter = operands.normal_statistics(shape, 0.02);
            parameter.gradient = operands.normal_statistics(shape, 1e-3);
            parameter.first_moment = operands.normal_statistics(shape, 1e-3);
            parameter.second_moment = operands.constant(shape, DType::f32, 1e-6);
            parameter.low_precision = operands.output_of(shape, DType::bf16);
            parameter.weight_decay = 0.05;
            parameters->push_back(parameter);
        }
    }
    return {.own = {.run =
                        [parameters, context = operands.context()] {
                            kernels::adamw(
                                context,
                                {.parameters = *parameters, .learning_rate = 1e-6, .step = 10});
                        },
                    .outputs = {}},
            .peer = {}};
}

Calls cross_entropy_calls(Operands& operands, std::int64_t rows, std::int64_t classes) {
    const kernels::CrossEntropyForward forward{.logits = operands.normal({rows, classes}),
                                               .target = operands.labels({rows}, classes),
                                               .weight = {},
                                               .normaliser = static_cast<double>(rows),
                                               .loss = operands.output_statistics({1}),
                                               .log_sum_exp = operands.output_statistics({rows})};
    const kernels::CrossEntropyBackward backward{
        .loss_gradient = operands.constant({1}, forward.loss.dtype, 1.0),
        .logits = forward.logits,
        .target = forward.target,
        .weight = {},
        .normaliser = forward.normaliser,
        .log_sum_exp = forward.log_sum_exp,
        .logits_gradient = operands.output({rows, classes})};
    return {.own = {.run =
                        [forward, backward, context = operands.context()] {
                            kernels::cross_entropy(context, forward);
                            kernels::cross_entropy_backward(context, backward);
                        },
                    .outputs = {{.name = "loss", .view = forward.loss, .leads_with_batch = false},
                                {.name = "logits_gradient",
                                 .view = backward.logits_gradient,
                                 .leads_with_batch = false}}},
            .peer = {}};
}

Calls mse_calls(Operands& operands, std::int64_t count) {
    const kernels::MseForward forward{.prediction = operands.normal({count}),
                                      .target = operands.normal_statistics({count}),
                                      .weight = {},
                                      .normaliser = static_cast<double>(count),
                                      .huber_delta = 1.0,
                                      .loss = operands.output_statistics({1})};
    const kernels::MseBackward backward{
        .loss_gradient = operands.constant({1}, forward.loss.dtype, 1.0),
        .prediction = forward.prediction,
        .target = forward.target,
        .weight = {},
        .normaliser = forward.normaliser,
        .huber_delta = forward.huber_delta,
        .prediction_gradient = operands.output({count})};
    return {.own = {.run =
                        [forward, backward, context = operands.context()] {
                            kernels::mse(context, forward);
                            kernels::mse_backward(context, backward);
                        },
                    .outputs = {{.name = "loss", .view = forward.loss, .leads_with_batch = false},
                                {.name = "prediction_gradient",
                                 .view = backward.prediction_gradient,
                                 .leads_with_batch = false}}},
            .peer = {}};
}

Calls norm_calls(Operands& operands, std::int64_t elements) {
    const View gradients = operands.normal_statistics({elements}, 1e-3);
    const View norm = operands.output_of({1}, DType::f64);
    return {.own = {.run =
                        [gradients, norm, context = operands.context()] {
                            kernels::global_norm(context, std::span(&gradients, 1), norm);
                        },
                    .outputs = {{.name = "norm", .view = norm, .leads_with_batch = false}}},
            .peer = {}};
}

Calls sum_calls(Operands& operands, const Shape& shape) {
    const kernels::Sum sum{.x = operands.normal(shape, 1.0, 0.5),
                           .scale = 1.0,
                           .out = operands.output_statistics({1, shape[1]})};
    return {.own = {.run = [sum, context = operands.context()] { kernels::sum(context, sum); },
                    .outputs = {{.name = "sum", .view = sum.out, .leads_with_batch = false}}},
            .peer = {}};
}

Calls add_calls(Operands& operands, const Shape& shape) {
    const kernels::Binary add{.operation = kernels::BinaryOperation::add,
                              .a = operands.normal(shape),
                              .b = operands.normal(shape),
                              .out = operands.output(shape)};
    return {.own = {.run = [add, context = operands.context()] { kernels::binary(context, add); },
                    .outputs = {{.name = "out", .view = add.out}}},
            .peer = {}};
}

Calls cast_calls(Operands& operands, const Shape& shape) {
    const kernels::Copy cast{.x = operands.normal_statistics(shape), .out = operands.output(shape)};
    return {.own = {.run = [cast, context = operands.context()] { kernels::copy(context, cast); },
                    .outputs = {{.name = "out", .view = cast.out}}},
            .peer = {}};
}

}  // namespace

std::vector<BenchCase> loss_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    const auto size = static_cast<double>(size_of(w.dtype));
    for (const std::int64_t batch : w.batches) {
        constexpr std::int64_t classes = 1000;
        cases.push_back(plain_case(w, "cross_entropy_forward_backward",
                                   fmt::format("R={} K={}", batch, classes), batch,
                                   3.0 * static_cast<double>(batch * classes) * size,
                                   [](Operands& operands, std::int64_t count) {
                                       return cross_entropy_calls(operands, count, classes);
                                   }));
        cases.push_back(plain_case(
            w, "huber_forward_backward", fmt::format("N={}", batch), batch,
            static_cast<double>(batch) * (3.0 * size + 8.0),
            [](Operands& operands, std::int64_t count) { return mse_calls(operands, count); }));
    }
    return cases;
}

std::vector<BenchCase> adamw_cases(const Workload& w) {
    const std::int64_t elements = block_parameters(w) + w.layers * (w.width + w.mlp_width);
    // Parameter and moments in and out, the gradient in, the bf16 copy out.
    return {plain_case(w, "adamw", fmt::format("N={}", elements), w.batches.front(),
                       30.0 * static_cast<double>(elements),
                       [w](Operands& operands, std::int64_t) { return adamw_calls(w, operands); })};
}

std::vector<BenchCase> reduce_cases(const Workload& w) {
    const std::int64_t elements = block_parameters(w);
    std::vector<BenchCase> cases = {plain_case(
        w, "global_norm", fmt::format("N={}", elements), w.batches.front(),
        4.0 * static_cast<double>(elements),
        [elements](Operands& operands, std::int64_t) { return norm_calls(operands, elements); })};
    for (const std::int64_t batch : w.batches) {
        const std::int64_t rows = batch * w.tokens;
        cases.push_back(
            plain_case(w, "sum_rows", fmt::format("R={} C={}", rows, w.width), batch,
                       static_cast<double>(rows * w.width) * static_cast<double>(size_of(w.dtype)),
                       [w](Operands& operands, std::int64_t count) {
                           return sum_calls(operands, {count * w.tokens, w.width});
                       }));
    }
    return cases;
}

std::vector<BenchCase> elementwise_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    const auto size = static_cast<double>(size_of(w.dtype));
    for (const std::int64_t batch : w.batches) {
        const Shape shape{batch * w.tokens, w.width};
        const auto elements = static_cast<double>(shape.numel());
        const std::string text = fmt::format("R={} C={}", shape[0], shape[1]);
        const auto shape_for = [w](std::int64_t count) { return Shape{count * w.tokens, w.width}; };
        cases.push_back(plain_case(w, "add", text, batch, 3.0 * elements * size,
                                   [shape_for](Operands& operands, std::int64_t count) {
                                       return add_calls(operands, shape_for(count));
                                   }));
        if (w.dtype == DType::bf16) {
            cases.push_back(plain_case(w, "cast_f32_to_bf16", text, batch, elements * (4.0 + size),
                                       [shape_for](Operands& operands, std::int64_t count) {
                                           return cast_calls(operands, shape_for(count));
                                       }));
        }
    }
    return cases;
}

}  // namespace balmer::bench
