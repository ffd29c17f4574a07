#include "kernels/patch_embed/patch_embed.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/patch_embed/patch_embed_cpu.h"
#include "kernels/patch_embed/patch_embed_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<PatchEmbedForward> forward_choices[] = {
    BALMER_DEVICE_CHOICES("tensor_cores", accepts_patch_embed_mma, patch_embed_mma)
        BALMER_DEVICE_CHOICES("device", accepts_patch_embed_device, patch_embed_device){
            "plain", accepts_cpu<PatchEmbedForward>, patch_embed_plain}};
const Choice<PatchEmbedBackward> backward_choices[] = {BALMER_DEVICE_CHOICES(
    "tensor_cores", accepts_patch_embed_backward_mma,
    patch_embed_backward_mma) BALMER_DEVICE_CHOICES("device", accepts_patch_embed_backward_device,
                                                    patch_embed_backward_device){
    "plain", accepts_cpu<PatchEmbedBackward>, patch_embed_backward_plain}};
const Choice<ExtractPatches> extract_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_extract_patches_device, extract_patches_device){
        "plain", accepts_cpu<ExtractPatches>, extract_patches_plain}};

/// Checks an image [B, channels, height, width], or rows [B, N, channels * p * p]; returns the
/// shape of the rows.
Shape check_image(const Check& check, const char* operation, const View& image, std::int64_t patch,
                  bool may_be_rows) {
    check.floating(image, "image");
    check.contiguous_operand(image, "image", image.dtype, image.shape);
    if (may_be_rows && image.shape.rank() == 3) return image.shape;
    check.rank(image, "image", 4,
               may_be_rows ? "[B, channels, height, width] or patch rows [B, N, channels * p * p]"
                           : "[B, channels, height, width]");
    const Shape& shape = image.shape;
    if (patch < 1 || shape[2] % patch != 0 || shape[3] % patch != 0) {
        throw ShapeError(std::string(operation) + ": height and width of image " +
                         to_string(shape) + " must be multiples of the patch size " +
                         std::to_string(patch));
    }
    return {shape[0], shape[2] / patch * (shape[3] / patch), shape[1] * patch * patch};
}

}  // namespace

void patch_embed(const Context& context, const PatchEmbedForward& arguments) {
    const char* operation = "patch_embed";
    const Check check(operation, context);
    const Shape rows = check_image(check, operation, arguments.image, arguments.patch_size, true);
    const DType dtype = arguments.image.dtype;
    const DType statistics = statistics_dtype(dtype);
    check.rank(arguments.weight, "weight", 2, "[C, channels * p * p]");
    const std::int64_t width = arguments.weight.shape[0];
    check.contiguous_operand(arguments.weight, "weight", dtype, {width, rows[2]});
    check.contiguous_operand(arguments.bias, "bias", statistics, {width});
    check.contiguous_operand(arguments.cls, "cls", statistics, {width});
    check.contiguous_operand(arguments.position, "position", statistics, {1 + rows[1], width});
    check.contiguous_operand(arguments.out, "out", dtype, {rows[0], 1 + rows[1], width});
    run_choice<PatchEmbedForward>(operation, forward_choices, context, arguments);
}

void patch_embed_backward(const Context& context, const PatchEmbedBackward& arguments) {
    const char* operation = "patch_embed_backward";
    const Check check(operation, context);
    const View& image = arguments.image;
    const Shape rows = check_image(check, operation, image, arguments.patch_size, true);
    const DType statistics = statistics_dtype(image.dtype);
    check.rank(arguments.weight, "weight", 2, "[C, channels * p * p]");
    const std::int64_t width = arguments.weight.shape[0];
    check.contiguous_operand(arguments.weight, "weight", image.dtype, {width, rows[2]});
    check.contiguous_operand(arguments.out_gradient, "out_gradient", image.dtype,
                             {rows[0], 1 + rows[1], width});
    if (arguments.image_gradient) {
        check.contiguous_operand(arguments.image_gradient, "image_gradient", image.dtype,
                                 image.shape);
    }
    check.contiguous_operand(arguments.weight_gradient, "weight_gradient", statistics,
                             {width, rows[2]});
    check.contiguous_operand(arguments.bias_gradient, "bias_gradient", statistics, {width});
    check.contiguous_operand(arguments.cls_gradient, "cls_gradient", statistics, {width});
    check.contiguous_operand(arguments.position_gradient, "position_gradient", statistics,
                             {1 + rows[1], width});
    run_choice<PatchEmbedBackward>(operation, backward_choices, context, arguments);
}

void extract_patches(const Context& context, const ExtractPatches& arguments) {
    const char* operation = "extract_patches";
    const Check check(operation, context);
    const Shape rows = check_image(check, operation, arguments.image, arguments.patch_size, false);
    check.contiguous_operand(arguments.rows, "rows", arguments.image.dtype, rows);
    run_choice<ExtractPatches>(operation, extract_choices, context, arguments);
}

}  // namespace balmer::kernels
