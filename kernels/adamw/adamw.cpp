#include "kernels/adamw/adamw.h"

#include "kernels/adamw/adamw_cpu.h"
#include "kernels/core/check.h"
#include "kernels/core/choice.h"

namespace balmer::kernels {
namespace {

const Choice<AdamWArguments> choices[] = {{"plain", accepts_cpu<AdamWArguments>, adamw_plain}};

}  // namespace

void adamw(const Context& context, const AdamWArguments& arguments) {
    const Check check("adamw", context);
    if (arguments.step < 1) {
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

}  // namespace balmer::kernels
