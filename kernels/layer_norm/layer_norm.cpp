#include "kernels/layer_norm/layer_norm.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/layer_norm/layer_norm_cpu.h"
#include "kernels/layer_norm/layer_norm_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<LayerNormForward> forward_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_layer_norm_device, layer_norm_device){
        "plain", accepts_cpu<LayerNormForward>, layer_norm_plain}};
const Choice<LayerNormBackward> backward_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_layer_norm_backward_device, layer_norm_backward_device){
        "plain", accepts_cpu<LayerNormBackward>, layer_norm_backward_plain}};

/// A matrix like x: same dtype and shape, contiguous columns.
void check_matrix(const Check& check, const View& view, const char* argument, const View& x) {
    check.operand(view, argument, x.dtype, x.shape);
    check.unit_stride(view, argument);
}

void check_input(const Check& check, const View& x) {
    check.floating(x, "x");
    check.rank(x, "x", 2, "[R, C]");
    check.unit_stride(x, "x");
}

}  // namespace

void layer_norm(const Context& context, const LayerNormForward& arguments) {
    const Check check("layer_norm", context);
    const View& x = arguments.x;
    check_input(check, x);
    const DType statistics = statistics_dtype(x.dtype);
    check.contiguous_operand(arguments.weight, "weight", statistics, {x.shape[1]});
    check.contiguous_operand(arguments.bias, "bias", statistics, {x.shape[1]});
    check_matrix(check, arguments.y, "y", x);
    if (arguments.residual) {
        check_matrix(check, arguments.residual, "residual", x);
        check_matrix(check, arguments.sum, "sum", x);
    }
    check.contiguous_operand(arguments.mean, "mean", statistics, {x.shape[0]});
    check.contiguous_operand(arguments.reciprocal_deviation, "reciprocal_deviation", statistics,
                             {x.shape[0]});
    run_choice<LayerNormForward>("layer_norm", forward_choices, context, arguments);
}

void layer_norm_backward(const Context& context, const LayerNormBackward& arguments) {
    const Check check("layer_norm_backward", context);
    const View& x = arguments.x;
    check_input(check, x);
    const DType statistics = statistics_dtype(x.dtype);
    const Shape row = {x.shape[1]};
    const Shape column = {x.shape[0]};
    check_matrix(check, arguments.dy, "dy", x);
    check.contiguous_operand(arguments.weight, "weight", statistics, row);
    check.contiguous_operand(arguments.mean, "mean", statistics, column);
    check.contiguous_operand(arguments.reciprocal_deviation, "reciprocal_deviation", statistics,
                             column);
    if (arguments.dx_addend) check_matrix(check, arguments.dx_addend, "dx_addend", x);
    check_matrix(check, arguments.dx, "dx", x);
    check.contiguous_operand(arguments.weight_gradient, "weight_gradient", statistics, row);
    check.contiguous_operand(arguments.bias_gradient, "bias_gradient", statistics, row);
    run_choice<LayerNormBackward>("layer_norm_backward", backward_choices, context, arguments);
}

}  // namespace balmer::kernels
