#include "kernels/elementwise/elementwise.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/elementwise/elementwise_cpu.h"
#include "kernels/elementwise/elementwise_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<Binary> binary_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_binary_device, binary_device){"plain", accepts_cpu<Binary>, binary_plain}};
const Choice<Unary> unary_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_unary_device, unary_device){"plain", accepts_cpu<Unary>, unary_plain}};
const Choice<UnaryBackward> unary_backward_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_unary_backward_device, unary_backward_device){
        "plain", accepts_cpu<UnaryBackward>, unary_backward_plain}};
const Choice<Affine> affine_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_affine_device, affine_device){"plain", accepts_cpu<Affine>, affine_plain}};
const Choice<Copy> copy_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_copy_device, copy_device){"plain", accepts_cpu<Copy>, copy_plain}};
const Choice<Fill> fill_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_fill_device, fill_device){"plain", accepts_cpu<Fill>, fill_plain}};

}  // namespace

void binary(const Context& context, const Binary& arguments) {
    const Check check("binary", context);
    check.floating(arguments.out, "out");
    const DType dtype = arguments.out.dtype;
    check.operand(arguments.a, "a", dtype, arguments.a.shape);
    check.operand(arguments.b, "b", dtype, arguments.b.shape);
    Binary expanded = arguments;
    expanded.a = arguments.a.expanded_to(arguments.out.shape, "binary");
    expanded.b = arguments.b.expanded_to(arguments.out.shape, "binary");
    run_choice<Binary>("binary", binary_choices, context, expanded);
}

void unary(const Context& context, const Unary& arguments) {
    const Check check("unary", context);
    check.floating(arguments.x, "x");
    check.operand(arguments.out, "out", arguments.x.dtype, arguments.x.shape);
    run_choice<Unary>("unary", unary_choices, context, arguments);
}

void unary_backward(const Context& context, const UnaryBackward& arguments) {
    const Check check("unary_backward", context);
    check.floating(arguments.x, "x");
    check.operand(arguments.dy, "dy", arguments.x.dtype, arguments.x.shape);
    check.operand(arguments.dx, "dx", arguments.x.dtype, arguments.x.shape);
    run_choice<UnaryBackward>("unary_backward", unary_backward_choices, context, arguments);
}

void affine(const Context& context, const Affine& arguments) {
    const Check check("affine", context);
    check.floating(arguments.x, "x");
    check.operand(arguments.out, "out", arguments.x.dtype, arguments.x.shape);
    run_choice<Affine>("affine", affine_choices, context, arguments);
}

void copy(const Context& context, const Copy& arguments) {
    const Check check("copy", context);
    check.present(arguments.x, "x");
    check.operand(arguments.out, "out", arguments.out.dtype, arguments.x.shape);
    run_choice<Copy>("copy", copy_choices, context, arguments);
}

void fill(const Context& context, const View& out, double value) {
    Check("fill", context).present(out, "out");
    run_choice<Fill>("fill", fill_choices, context, Fill{out, value});
}

}  // namespace balmer::kernels
