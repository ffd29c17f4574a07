#include "kernels/dropout/dropout.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/dropout/dropout_cpu.h"
#include "kernels/dropout/dropout_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<Dropout> dropout_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_dropout_device, dropout_device){
        "plain", accepts_cpu<Dropout>, dropout_plain}};
const Choice<DropPath> drop_path_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_drop_path_device, drop_path_device){
        "plain", accepts_cpu<DropPath>, drop_path_plain}};

void check_random(const Check& check, const char* operation, double probability,
                  const RandomPlace& place) {
    if (!(probability >= 0.0 && probability < 1.0)) {
        throw UsageError(std::string(operation) + ": expected a probability in [0, 1), got " +
                         std::to_string(probability));
    }
    if (place.advance) check.contiguous_operand(place.advance, "advance", DType::i64, {1});
}

}  // namespace

void dropout(const Context& context, const Dropout& arguments) {
    const char* operation = "dropout";
    const Check check(operation, context);
    check.floating(arguments.x, "x");
    check.contiguous_operand(arguments.x, "x", arguments.x.dtype, arguments.x.shape);
    check.contiguous_operand(arguments.y, "y", arguments.x.dtype, arguments.x.shape);
    check_random(check, operation, arguments.probability, arguments.place);
    run_choice<Dropout>(operation, dropout_choices, context, arguments);
}

void drop_path(const Context& context, const DropPath& arguments) {
    const char* operation = "drop_path";
    const Check check(operation, context);
    const View& x = arguments.x;
    check.floating(x, "x");
    check.rank(x, "x", 2, "[B, C]");
    check.contiguous_operand(x, "x", x.dtype, x.shape);
    if (arguments.residual) {
        check.contiguous_operand(arguments.residual, "residual", x.dtype, x.shape);
    }
    check.contiguous_operand(arguments.y, "y", x.dtype, x.shape);
    check_random(check, operation, arguments.probability, arguments.place);
    run_choice<DropPath>(operation, drop_path_choices, context, arguments);
}

}  // namespace balmer::kernels
