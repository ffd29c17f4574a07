// Patch embedding from images and from ready patch rows, forward and backward.
// Peer: cuDNN's convolution with stride = window, on channels-last copies of the same image and
// weight (the layout it is fastest in), without bias, class token and positions.

#include "kernels/patch_embed/patch_embed.h"

#include <fmt/format.h>

#include "bench/bench_case.h"
#include "kernels/elementwise/elementwise.h"

namespace balmer::bench {

namespace {

using cudnn::Id;

constexpr std::int64_t channels = 3;

struct Sizes {
    std::int64_t batch;
    std::int64_t side;     ///< patches along an image's side
    std::int64_t patches;  ///< N
    std::int64_t pixels;   ///< channels * p * p
};

Sizes sizes_of(const Workload& w, std::int64_t batch) {
    const std::int64_t side = w.image_size / w.patch_size;
    return {batch, side, side * side, channels * w.patch_size * w.patch_size};
}

/// [B, channels, h, w] -> [B, h, w, channels].
View channels_last(Operands& operands, const View& image) {
    const Shape& s = image.shape;
    const View copy = operands.output({s[0], s[2], s[3], s[1]});
    View permuted = image;
    permuted.shape = copy.shape;
    permuted.strides = Strides{s[1] * s[2] * s[3], s[3], 1, s[2] * s[3]};
    kernels::copy(operands.context(), {.x = permuted, .out = copy});
    return copy;
}

/// With bias and positions 0 where a convolution is to give the same numbers.
kernels::PatchEmbedForward forward_of(const Workload& w, const Sizes& s, bool from_rows,
                                      Operands& operands) {
    const DType statistics = statistics_dtype(operands.dtype());
    return {.image = from_rows ? operands.normal({s.batch, s.patches, s.pixels})
                               : operands.normal({s.batch, channels, w.image_size, w.image_size}),
            .weight = operands.normal({w.width, s.pixels}, 0.05),
            .bias = operands.constant({w.width}, statistics, 0.0),
            .cls = operands.normal_statistics({w.width}),
            .position = operands.constant({1 + s.patches, w.width}, statistics, 0.0),
            .patch_size = w.patch_size,
            .out = operands.output({s.batch, 1 + s.patches, w.width})};
}

Calls forward_calls(const Workload& w, bool from_rows, Operands& operands, Peers* peers,
                    std::int64_t batch) {
    const Sizes s = sizes_of(w, batch);
    const kernels::PatchEmbedForward forward = forward_of(w, s, from_rows, operands);
    const auto output = [&](const View& view) {
        return Output{
            .name = "out", .view = view, .period = (1 + s.patches) * w.width, .skip = w.width};
    };
    Calls calls{
        .own = {.run = [forward,
                        context = operands.context()] { kernels::patch_embed(context, forward); },
                .outputs = {output(forward.out)}},
        .peer = {}};
    if (peers == nullptr || from_rows) return calls;
    const View image = channels_last(operands, forward.image);
    View filters = forward.weight;
    filters.shape = Shape{w.width, channels, w.patch_size, w.patch_size};
    filters.strides = contiguous_strides(filters.shape);
    const View weight = channels_last(operands, filters);
    const View out = operands.output(forward.out.shape);
    void* first_patch =
        static_cast<std::byte*>(out.data) + static_cast<std::size_t>(w.width) * size_of(out.dtype);
    const cudnn::PatchShape shape{.batch = batch,
                                  .channels = channels,
                                  .image_size = w.image_size,
                                  .patch_size = w.patch_size,
                                  .width = w.width};
    auto run = peers->call(
        fmt::format("patch_convolution {} {}", w.model, batch),
        [shape](const cudnn::Cudnn& library) { return library.patch_convolution(shape); },
        {{Id::x, image.data}, {Id::weight, weight.data}, {Id::y, first_patch}});
    if (run) calls.peer = {.run = run, .outputs = {output(out)}};
    return calls;
}

Calls backward_calls(const Workload& w, Operands& operands, std::int64_t batch) {
    const Sizes s = sizes_of(w, batch);
    const kernels::PatchEmbedBackward backward{
        .out_gradient = operands.normal({batch, 1 + s.patches, w.width}),
        .image = operands.normal({batch, s.patches, s.pixels}),
        .weight = operands.normal({w.width, s.pixels}, 0.05),
        .patch_size = w.patch_size,
        .image_gradient = {},
        .weight_gradient = operands.output_statistics({w.width, s.pixels}),
        .bias_gradient = operands.output_statistics({w.width}),
        .cls_gradient = operands.output_statistics({w.width}),
        .position_gradient = operands.output_statistics({1 + s.patches, w.width})};
    const auto output = [](const char* name, const View& view) {
        return Output{.name = name, .view = view, .leads_with_batch = false};
    };
    return {.own = {.run =
                        [backward, context = operands.context()] {
                            kernels::patch_embed_backward(context, backward);
                        },
                    .outputs = {output("weight_gradient", backward.weight_gradient),
                                output("bias_gradient", backward.bias_gradient),
                                output("cls_gradient", backward.cls_gradient),
                                output("position_gradient", backward.position_gradient)}},
            .peer = {}};
}

}  // namespace

std::vector<BenchCase> patch_embed_cases(const Workload& w) {
    std::vector<BenchCase> cases;
    if (w.image_size == 0) return cases;
    for (const std::int64_t batch : w.batches) {
        const Sizes s = sizes_of(w, batch);
        const auto size = static_cast<double>(size_of(w.dtype));
        const auto image = static_cast<double>(batch * s.patches * s.pixels) * size;
        const auto tokens = static_cast<double>(batch * (1 + s.patches) * w.width) * size;
        const auto weight = static_cast<double>(w.width * s.pixels);
        const double flops = 2.0 * static_cast<double>(batch * s.patches) * weight;
        const std::string shape =
            fmt::format("B={} S={} p={} C={}", batch, w.image_size, w.patch_size, w.width);
        for (const bool from_rows : {false, true}) {
            cases.push_back(
                {.name = from_rows ? "patch_embed_forward_rows" : "patch_embed_forward",
                 .model = w.model,
                 .shape = shape,
                 .batch = batch,
                 .dtype = w.dtype,
                 .work = {flops, image + tokens + weight * size},
                 .make =
                     [w, from_rows](Operands& operands, Peers* peers, std::int64_t count) {
                         return forward_calls(w, from_rows, operands, peers, count);
                     },
                 .tolerance = tolerance_of(w.dtype)});
        }
        cases.push_back(
            {.name = "patch_embed_backward",
             .model = w.model,
             .shape = shape,
             .batch = batch,
             .dtype = w.dtype,
             .work = {flops, image + tokens + weight * 4.0},
             .make = [w](Operands& operands, Peers*,
                         std::int64_t count) { return backward_calls(w, operands, count); },
             .tolerance = tolerance_of(w.dtype)});
    }
    return cases;
}

}  // namespace balmer::bench
