#include "kernels/adamw/adamw.h"

#include "kernels/adamw/adamw_cpu.h"
#include "kernels/adamw/adamw_cuda.h"
#include "kernels/core/check.h"
#include "kernels/core/choice.h"

namespace balmer::kernels {
namespace {

const Choice<AdamWArguments> choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_adamw_device, adamw_device){
        "plain", accepts_cpu<AdamWArguments>, adamw_plain}};
const Choice<AdamWPreparation> preparation_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_prepare_adamw_device, prepare_adamw_device){
        "plain", accepts_cpu<AdamWPreparation>, prepare_adamw_plain}};

/// One element that lies on the device; may be absent.
void check_scalar(const Check& check, const View& view, const char* argument, DType dtype) {
    if (view) check.contiguous_operand(view, argument, dtype, {1});
}

}  // namespace

void adamw(const Context& context, const AdamWArguments& arguments) {
    const Check check("adamw", context);
    const AdamWDeviceScalars& on_device = arguments.on_device;
    check_scalar(check, on_device.learning_rate, "on_device.learning_rate", DType::f64);
    check_scalar(check, on_device.step, "on_device.step", DType::i64);
    check_scalar(check, on_device.gradient_scale, "on_device.gradient_scale", DType::f64);
    check_scalar(check, on_device.is_skipped, "on_device.is_skipped", DType::i32);
    if (!on_device.step && arguments.step < 1) {
        throw UsageError("adamw: step must be at least 1, got " + std::to_string(arguments.step));
    }
    for (const AdamWParameter& item : arguments.parameters) {
        const View& parameter = item.parameter;
        check.present(parameter, "parameter");
        const DType dtype = parameter.dtype == DType::f64 ? DType::f64 : DType::f32;
        check.contiguous_operand(parameter, "parameter", dtype, parameter.shape);
        check.contiguous_operand(item.gradient, "gradient", dtype, parameter.shape);
        check.contiguous_operand(item.first_moment, "first_moment", dtype, parameter.shape);
        check.contiguous_operand(item.second_moment, "second_moment", dtype, parameter.shape);
        if (item.low_precision) {
            check.contiguous_operand(item.low_precision, "low_precision", DType::bf16,
                                     parameter.shape);
        }
    }
    run_choice<AdamWArguments>("adamw", choices, context, arguments);
}

void prepare_adamw(const Context& context, const AdamWPreparation& arguments) {
    const Check check("prepare_adamw", context);
    check.contiguous_operand(arguments.norm, "norm", DType::f64, {1});
    check.contiguous_operand(arguments.gradient_scale, "gradient_scale", DType::f64, {1});
    check.contiguous_operand(arguments.is_skipped, "is_skipped", DType::i32, {1});
    check_scalar(check, arguments.step, "step", DType::i64);
    run_choice<AdamWPreparation>("prepare_adamw", preparation_choices, context, arguments);
}

}  // namespace balmer::kernels
