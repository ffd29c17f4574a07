#include "kernels/cross_entropy/cross_entropy.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/cross_entropy/cross_entropy_cpu.h"
#include "kernels/cross_entropy/cross_entropy_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<CrossEntropyForward> forward_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_cross_entropy_device, cross_entropy_device){
        "plain", accepts_cpu<CrossEntropyForward>, cross_entropy_plain}};
const Choice<CrossEntropyBackward> backward_choices[] = {BALMER_DEVICE_CHOICES(
    "device", accepts_cross_entropy_backward_device, cross_entropy_backward_device){
    "plain", accepts_cpu<CrossEntropyBackward>, cross_entropy_backward_plain}};

template <class Arguments>
void check_inputs(const Check& check, const char* operation, const Arguments& arguments) {
    const View& logits = arguments.logits;
    check.floating(logits, "logits");
    check.rank(logits, "logits", 2, "[R, K]");
    check.contiguous_operand(logits, "logits", logits.dtype, logits.shape);
    const Shape rows = {logits.shape[0]};
    check.contiguous_operand(arguments.target, "target", DType::i64, rows);
    if (arguments.weight) check.contiguous_operand(arguments.weight, "weight", DType::f32, rows);
    check.contiguous_operand(arguments.log_sum_exp, "log_sum_exp", statistics_dtype(logits.dtype),
                             rows);
    if (!(arguments.normaliser > 0.0)) {
        throw UsageError(std::string(operation) + ": normaliser must be positive, got " +
                         std::to_string(arguments.normaliser));
    }
}

/// Targets are read here only where the host can read them; a GPU entry checks its own.
void check_targets(const char* operation, const View& target, std::int64_t classes) {
    if (target.device.type != DeviceType::cpu) return;
    const std::int64_t* values = target.as<std::int64_t>();
    for (std::int64_t r = 0; r < target.numel(); ++r) {
        if (values[r] >= classes) {
            throw ShapeError(std::string(operation) + ": target[" + std::to_string(r) +
                             "] must be below the number of classes " + std::to_string(classes) +
                             ", got " + std::to_string(values[r]));
        }
    }
}

}  // namespace

void cross_entropy(const Context& context, const CrossEntropyForward& arguments) {
    const Check check("cross_entropy", context);
    check_inputs(check, "cross_entropy", arguments);
    check.contiguous_operand(arguments.loss, "loss", statistics_dtype(arguments.logits.dtype), {1});
    check_targets("cross_entropy", arguments.target, arguments.logits.shape[1]);
    run_choice<CrossEntropyForward>("cross_entropy", forward_choices, context, arguments);
}

void cross_entropy_backward(const Context& context, const CrossEntropyBackward& arguments) {
    const char* operation = "cross_entropy_backward";
    const Check check(operation, context);
    const View& logits = arguments.logits;
    check_inputs(check, operation, arguments);
    check.contiguous_operand(arguments.loss_gradient, "loss_gradient",
                             statistics_dtype(logits.dtype), {1});
    check.contiguous_operand(arguments.logits_gradient, "logits_gradient", logits.dtype,
                             logits.shape);
    check_targets(operation, arguments.target, logits.shape[1]);
    run_choice<CrossEntropyBackward>(operation, backward_choices, context, arguments);
}

}  // namespace balmer::kernels
