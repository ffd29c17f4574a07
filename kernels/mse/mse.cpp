#include "kernels/mse/mse.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/mse/mse_cpu.h"
#include "kernels/mse/mse_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<MseForward> forward_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_mse_device, mse_device){"plain", accepts_cpu<MseForward>, mse_plain}};
const Choice<MseBackward> backward_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_mse_backward_device, mse_backward_device){
        "plain", accepts_cpu<MseBackward>, mse_backward_plain}};

template <class Arguments>
void check_inputs(const Check& check, const char* operation, const Arguments& arguments) {
    const View& prediction = arguments.prediction;
    check.floating(prediction, "prediction");
    check.contiguous_operand(prediction, "prediction", prediction.dtype, prediction.shape);
    check.contiguous_operand(arguments.target, "target", statistics_dtype(prediction.dtype),
                             prediction.shape);
    if (arguments.weight) {
        check.contiguous_operand(arguments.weight, "weight", DType::f32, prediction.shape);
    }
    if (!(arguments.normaliser > 0.0)) {
        throw UsageError(std::string(operation) + ": normaliser must be positive, got " +
                         std::to_string(arguments.normaliser));
    }
}

}  // namespace

void mse(const Context& context, const MseForward& arguments) {
    const Check check("mse", context);
    check_inputs(check, "mse", arguments);
    check.contiguous_operand(arguments.loss, "loss", statistics_dtype(arguments.prediction.dtype),
                             {1});
    run_choice<MseForward>("mse", forward_choices, context, arguments);
}

void mse_backward(const Context& context, const MseBackward& arguments) {
    const Check check("mse_backward", context);
    const View& prediction = arguments.prediction;
    check_inputs(check, "mse_backward", arguments);
    check.contiguous_operand(arguments.loss_gradient, "loss_gradient",
                             statistics_dtype(prediction.dtype), {1});
    check.contiguous_operand(arguments.prediction_gradient, "prediction_gradient", prediction.dtype,
                             prediction.shape);
    run_choice<MseBackward>("mse_backward", backward_choices, context, arguments);
}

}  // namespace balmer::kernels
