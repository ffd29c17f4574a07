// Patch embedding on the CPU: the image is laid out as patch rows and everything else is one matrix
// product over all patches of the batch.

#include "kernels/patch_embed/patch_embed_cpu.h"

#include <algorithm>

#include "kernels/core/buffer.h"
#include "kernels/core/parallel.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/reduce/reduce.h"

namespace balmer::kernels {
namespace {

/// Memory for an intermediate result of `shape`.
struct Scratch {
    Scratch(const Context& context, DType dtype, const Shape& shape)
        : buffer(context, shape.numel() * size_of(dtype)),
          view(buffer.data(), dtype, shape, context.device) {}
    Buffer buffer;
    View view;
};

/// Calls body(image offset, row offset, patch) for every run of `patch` pixels that an image
/// [B, channels, height, width] and its patch rows have in common.
template <class Body>
void for_pixel_runs(const Context& context, const Shape& image, std::int64_t patch,
                    const Body& body) {
    const std::int64_t channels = image[1];
    const std::int64_t height = image[2];
    const std::int64_t width = image[3];
    const std::int64_t across = width / patch;
    const std::int64_t length = channels * patch * patch;
    const std::int64_t bands = height / patch;
    parallel_for(context, image[0] * bands, 1, [&](std::int64_t task) {
        const std::int64_t b = task / bands;
        const std::int64_t band = task % bands;
        for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t i = 0; i < patch; ++i) {
                const std::int64_t pixel = ((b * channels + c) * height + band * patch + i) * width;
                const std::int64_t element = task * across * length + (c * patch + i) * patch;
                for (std::int64_t x = 0; x < across; ++x) {
                    body(pixel + x * patch, element + x * length, patch);
                }
            }
        }
    });
}

/// The patch rows [B * N, K] of an image, in `scratch`, or the image itself where it already is
/// rows.
View rows_of(const Context& context, const View& image, std::int64_t patch, Buffer& scratch) {
    View rows = image;
    if (image.shape.rank() == 4) {
        const Shape shape = {image.shape[0], image.shape[2] / patch * (image.shape[3] / patch),
                             image.shape[1] * patch * patch};
        scratch = Buffer(context, shape.numel() * size_of(image.dtype));
        rows = View(scratch.data(), image.dtype, shape, image.device);
        extract_patches_plain(context, {image, patch, rows});
    }
    return View(rows.data, rows.dtype, {rows.shape[0] * rows.shape[1], rows.shape[2]}, rows.device);
}

/// out = sums + bias + position for patches, cls + position for the first token.
template <class T>
void assemble(const Context& context, const PatchEmbedForward& arguments, const View& sums) {
    using Value = accumulator_t<T>;
    const std::int64_t tokens = arguments.out.shape[1];
    const std::int64_t width = arguments.out.shape[2];
    parallel_for(context, arguments.out.shape[0] * tokens, 16, [&](std::int64_t i) {
        const std::int64_t token = i % tokens;
        const Value* position = arguments.position.as<Value>() + token * width;
        T* out = arguments.out.as<T>() + i * width;
        if (token == 0) {
            const Value* cls = arguments.cls.as<Value>();
            for (std::int64_t c = 0; c < width; ++c) out[c] = T(cls[c] + position[c]);
            return;
        }
        const Value* sum = sums.as<Value>() + (i / tokens * (tokens - 1) + token - 1) * width;
        const Value* bias = arguments.bias.as<Value>();
#pragma GCC ivdep
        for (std::int64_t c = 0; c < width; ++c) out[c] = T(sum[c] + bias[c] + position[c]);
    });
}

/// `view` without its first token: [B, N, C] of [B, 1 + N, C].
View patch_tokens(const View& view) {
    View result = view;
    result.shape[1] -= 1;
    result.data = static_cast<char*>(view.data) + view.strides[1] * size_of(view.dtype);
    return result;
}

View reshaped(const View& view, const Shape& shape) {
    return View(view.data, view.dtype, shape, view.device);
}

}  // namespace

void extract_patches_plain(const Context& context, const ExtractPatches& arguments) {
    dispatch_floating(arguments.image.dtype, "extract_patches", [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* image = arguments.image.as<T>();
        T* rows = arguments.rows.as<T>();
        for_pixel_runs(context, arguments.image.shape, arguments.patch_size,
                       [&](std::int64_t pixel, std::int64_t element, std::int64_t n) {
                           std::copy_n(image + pixel, n, rows + element);
                       });
    });
}

void patch_embed_plain(const Context& context, const PatchEmbedForward& arguments) {
    const DType dtype = arguments.image.dtype;
    Buffer row_buffer;
    const View rows = rows_of(context, arguments.image, arguments.patch_size, row_buffer);
    const std::int64_t width = arguments.weight.shape[0];
    const Scratch sums(context, statistics_dtype(dtype), {rows.shape[0], width});
    gemm(context, {.spec = {.m = rows.shape[0],
                            .n = width,
                            .k = rows.shape[1],
                            .transpose_b = true,
                            .lda = rows.shape[1],
                            .ldb = rows.shape[1],
                            .ldd = width,
                            .input = dtype,
                            .output = statistics_dtype(dtype)},
                   .a = rows.data,
                   .b = arguments.weight.data,
                   .d = sums.view.data});
    dispatch_floating(dtype, "patch_embed", [&](auto tag) {
        assemble<typename decltype(tag)::type>(context, arguments, sums.view);
    });
}

void patch_embed_backward_plain(const Context& context, const PatchEmbedBackward& arguments) {
    const DType dtype = arguments.image.dtype;
    const DType statistics = statistics_dtype(dtype);
    const Shape& shape = arguments.out_gradient.shape;
    const std::int64_t width = shape[2];
    Buffer row_buffer;
    const View rows = rows_of(context, arguments.image, arguments.patch_size, row_buffer);
    const std::int64_t count = rows.shape[0];
    const std::int64_t length = rows.shape[1];
    const Scratch gradient(context, dtype, {shape[0], shape[1] - 1, width});
    copy(context, {patch_tokens(arguments.out_gradient), gradient.view});

    // position and cls: sums over the batch; bias and weight: over all patches.
    sum(context, {.x = arguments.out_gradient,
                  .scale = 1.0,
                  .out = reshaped(arguments.position_gradient, {1, shape[1], width})});
    copy(context, {View(arguments.position_gradient.data, statistics, {width}, context.device),
                   arguments.cls_gradient});
    gemm(context, {.spec = {.m = width,
                            .n = length,
                            .k = count,
                            .transpose_a = true,
                            .lda = width,
                            .ldb = length,
                            .ldd = length,
                            .epilogue = Epilogue::row_sum_a,
                            .input = dtype,
                            .output = statistics},
                   .a = gradient.view.data,
                   .b = rows.data,
                   .d = arguments.weight_gradient.data,
                   .bias_gradient = arguments.bias_gradient.data});
    if (!arguments.image_gradient) return;

    const bool is_image = arguments.image.shape.rank() == 4;
    const Scratch row_gradient(context, dtype, {is_image ? count : 0, length});
    const View target = is_image ? row_gradient.view : arguments.image_gradient;
    gemm(context, {.spec = {.m = count,
                            .n = length,
                            .k = width,
                            .lda = width,
                            .ldb = length,
                            .ldd = length,
                            .input = dtype,
                            .output = dtype},
                   .a = gradient.view.data,
                   .b = arguments.weight.data,
                   .d = target.data});
    if (!is_image) return;
    dispatch_floating(dtype, "patch_embed_backward", [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* source = row_gradient.view.as<T>();
        T* image = arguments.image_gradient.as<T>();
        for_pixel_runs(context, arguments.image.shape, arguments.patch_size,
                       [&](std::int64_t pixel, std::int64_t element, std::int64_t n) {
                           std::copy_n(source + element, n, image + pixel);
                       });
    });
}

}  // namespace balmer::kernels
