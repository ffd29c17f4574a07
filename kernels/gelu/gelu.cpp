#include "kernels/gelu/gelu.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/gelu/gelu_cpu.h"
#include "kernels/gelu/gelu_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<GeluForward> forward_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_gelu_device, gelu_device){"plain", accepts_cpu<GeluForward>, gelu_plain}};
const Choice<GeluBackward> backward_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_gelu_backward_device, gelu_backward_device){
        "plain", accepts_cpu<GeluBackward>, gelu_backward_plain}};

void check_input(const Check& check, const View& x, const View& bias) {
    check.floating(x, "x");
    check.rank(x, "x", 2, "[R, C]");
    check.contiguous_operand(x, "x", x.dtype, x.shape);
    if (bias) {
        check.contiguous_operand(bias, "bias", statistics_dtype(x.dtype), {x.shape[1]});
    }
}

}  // namespace

void gelu(const Context& context, const GeluForward& arguments) {
    const Check check("gelu", context);
    const View& x = arguments.x;
    check_input(check, x, arguments.bias);
    check.contiguous_operand(arguments.y, "y", x.dtype, x.shape);
    run_choice<GeluForward>("gelu", forward_choices, context, arguments);
}

void gelu_backward(const Context& context, const GeluBackward& arguments) {
    const Check check("gelu_backward", context);
    const View& x = arguments.x;
    check_input(check, x, arguments.bias);
    check.contiguous_operand(arguments.dy, "dy", x.dtype, x.shape);
    check.contiguous_operand(arguments.dx, "dx", x.dtype, x.shape);
    run_choice<GeluBackward>("gelu_backward", backward_choices, context, arguments);
}

}  // namespace balmer::kernels
