#include "kernels/reduce/reduce.h"

#include "kernels/core/buffer.h"
#include "kernels/core/check.h"
#include "kernels/core/choice.h"
#include "kernels/core/transfer.h"
#include "kernels/reduce/reduce_cpu.h"
#include "kernels/reduce/reduce_cuda.h"

namespace balmer::kernels {
namespace {

const Choice<Sum> sum_choices[] = {BALMER_DEVICE_CHOICES("device", accepts_sum_device, sum_device){
    "plain", accepts_cpu<Sum>, sum_plain}};
const Choice<GlobalNorm> global_norm_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_global_norm_device, global_norm_device){
        "plain", accepts_cpu<GlobalNorm>, global_norm_plain}};
const Choice<AllFinite> all_finite_choices[] = {
    BALMER_DEVICE_CHOICES("device", accepts_all_finite_device, all_finite_device){
        "plain", accepts_cpu<AllFinite>, all_finite_plain}};

/// What `run` writes into one element on the context's device.
template <class T, class Run>
T value_of(const Context& context, const Run& run) {
    const Buffer element(context, sizeof(T));
    run(View(element.data(), dtype_of_v<T>, {1}, context.device));
    T value;
    copy_bytes(context, &value, {DeviceType::cpu}, element.data(), context.device, sizeof(T));
    return value;
}

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

void global_norm(const Context& context, std::span<const View> views, const View& out) {
    const Check check("global_norm", context);
    for (const View& view : views) {
        check.floating(view, "view");
        check.contiguous_operand(view, "view", view.dtype, view.shape);
    }
    check.contiguous_operand(out, "out", out.dtype == DType::f32 ? DType::f32 : DType::f64, {1});
    run_choice<GlobalNorm>("global_norm", global_norm_choices, context, {views, out});
}

double global_norm(const Context& context, std::span<const View> views) {
    return value_of<double>(context, [&](const View& out) { global_norm(context, views, out); });
}

void all_finite(const Context& context, const View& view, const View& out) {
    const Check check("all_finite", context);
    check.floating(view, "view");
    check.contiguous_operand(out, "out", DType::i32, {1});
    run_choice<AllFinite>("all_finite", all_finite_choices, context, {view, out});
}

bool all_finite(const Context& context, const View& view) {
    const auto flag =
        value_of<std::int32_t>(context, [&](const View& out) { all_finite(context, view, out); });
    return flag != 0;
}

}  // namespace balmer::kernels
