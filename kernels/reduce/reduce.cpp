#include "kernels/reduce/reduce.h"

#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/reduce/reduce_cpu.h"

namespace balmer::kernels {
namespace {

const Choice<Sum> sum_choices[] = {{"plain", accepts_cpu<Sum>, sum_plain}};
const Choice<GlobalNorm> global_norm_choices[] = {
    {"plain", accepts_cpu<GlobalNorm>, global_norm_plain}};
const Choice<AllFinite> all_finite_choices[] = {
    {"plain", accepts_cpu<AllFinite>, all_finite_plain}};

}  // namespace

void sum(const Context& context, const Sum& arguments) {
    const Check check("sum", context);
    check.floating(arguments.x, "x");
    check.floating(arguments.out, "out");
    const View& out = arguments.out;
    Shape expected = arguments.x.shape;
    if (out.shape.rank() == expected.rank()) {
        for (int i = 0; i < expected.rank(); ++i) {
            if (out.shape[i] == 1) expected[i] = 1;
        }
    }
    const bool own = out.dtype == arguments.x.dtype;
    check.contiguous_operand(out, "out", own ? out.dtype : statistics_dtype(arguments.x.dtype),
                             expected);
    run_choice<Sum>("sum", sum_choices, context, arguments);
}

double global_norm(const Context& context, std::span<const View> views) {
    const Check check("global_norm", context);
    for (const View& view : views) {
        check.floating(view, "view");
        check.contiguous_operand(view, "view", view.dtype, view.shape);
    }
    double result = 0.0;
    run_choice<GlobalNorm>("global_norm", global_norm_choices, context, {views, &result});
    return result;
}

bool all_finite(const Context& context, const View& view) {
    Check("all_finite", context).floating(view, "view");
    bool result = true;
    run_choice<AllFinite>("all_finite", all_finite_choices, context, {view, &result});
    return result;
}

}  // namespace balmer::kernels
