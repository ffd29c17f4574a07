#include "kernels/attention/attention.h"

#include "kernels/attention/attention_cpu.h"
#include "kernels/attention/attention_cuda.h"
#include "kernels/core/check.h"
#include "kernels/core/choice.h"

namespace balmer::kernels {
namespace {

// clang-format off
const Choice<AttentionForward> forward_choices[] = {
    BALMER_DEVICE_CHOICES("short", accepts_attention_short, attention_short)
    BALMER_DEVICE_CHOICES("streaming", accepts_attention_streaming, attention_streaming)
    BALMER_DEVICE_CHOICES("general", accepts_attention_general, attention_general)
    {"blocked", accepts_attention_blocked, attention_blocked},
    {"plain", accepts_cpu<AttentionForward>, attention_plain}};
const Choice<AttentionBackward> backward_choices[] = {
    BALMER_DEVICE_CHOICES("short", accepts_attention_backward_short, attention_backward_short)
    BALMER_DEVICE_CHOICES("streaming", accepts_attention_backward_streaming, attention_backward_streaming)
    BALMER_DEVICE_CHOICES("general", accepts_attention_backward_general, attention_backward_general)
    {"blocked", accepts_attention_backward_blocked, attention_backward_blocked},
    {"plain", accepts_cpu<AttentionBackward>, attention_backward_plain}};
// clang-format on

void check_heads(const Check& check, const View& view, const char* argument, DType dtype,
                 const Shape& shape) {
    check.operand(view, argument, dtype, shape);
    check.unit_stride(view, argument);
}

/// Checks what forward and backward have in common; returns the shape of key and value.
template <class Arguments>
Shape check_inputs(const Check& check, const Arguments& arguments) {
    const View& query = arguments.query;
    check.floating(query, "query");
    check.rank(query, "query", 4, "[B, T, H, D]");
    check.unit_stride(query, "query");
    check.rank(arguments.key, "key", 4, "[B, S, H, D]");
    const Shape keys = query.shape.with(1, arguments.key.shape[1]);
    check_heads(check, arguments.key, "key", query.dtype, keys);
    check_heads(check, arguments.value, "value", query.dtype, keys);
    if (arguments.key_mask) {
        check.contiguous_operand(arguments.key_mask, "key_mask", DType::u8, {keys[0], keys[1]});
    }
    check_heads(check, arguments.out, "out", query.dtype, query.shape);
    check.contiguous_operand(arguments.log_sum_exp, "log_sum_exp", statistics_dtype(query.dtype),
                             {query.shape[0], query.shape[2], query.shape[1]});
    return keys;
}

}  // namespace

void attention(const Context& context, const AttentionForward& arguments) {
    check_inputs(Check("attention", context), arguments);
    run_choice<AttentionForward>("attention", forward_choices, context, arguments);
}

void attention_backward(const Context& context, const AttentionBackward& arguments) {
    const Check check("attention_backward", context);
    const Shape keys = check_inputs(check, arguments);
    const DType dtype = arguments.query.dtype;
    const Shape& queries = arguments.query.shape;
    check_heads(check, arguments.out_gradient, "out_gradient", dtype, queries);
    check_heads(check, arguments.query_gradient, "query_gradient", dtype, queries);
    check_heads(check, arguments.key_gradient, "key_gradient", dtype, keys);
    check_heads(check, arguments.value_gradient, "value_gradient", dtype, keys);
    run_choice<AttentionBackward>("attention_backward", backward_choices, context, arguments);
}

}  // namespace balmer::kernels
