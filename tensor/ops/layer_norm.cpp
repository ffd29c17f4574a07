#include "tensor/ops/layer_norm.h"

#include "kernels/layer_norm/layer_norm.h"
#include "tensor/ops/shape.h"

namespace balmer {

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
    if (x.rank() < 1 || !(weight.shape() == Shape{x.size(-1)}) ||
        !(bias.shape() == weight.shape())) {
        throw_shape_error("layer_norm", {x, weight, bias}, "expected [..., C], [C] and [C]");
    }
    const std::int64_t C = x.size(-1);
    const std::int64_t rows = C == 0 ? 0 : x.numel() / C;
    const DType statistics = statistics_dtype(x.dtype());
    const Tensor input = reshape(contiguous(x), {rows, C}).detach();
    const Tensor mean = Tensor::empty({rows}, statistics, x.context());
    const Tensor reciprocal_deviation = Tensor::empty({rows}, statistics, x.context());
    const Tensor out = Tensor::empty({rows, C}, x.dtype(), x.context());
    kernels::LayerNormForward forward;
    forward.x = input.view();
    forward.weight = weight.view();
    forward.bias = bias.view();
    forward.epsilon = epsilon;
    forward.y = out.view();
    forward.mean = mean.view();
    forward.reciprocal_deviation = reciprocal_deviation.view();
    kernels::layer_norm(x.context(), forward);

    return differentiable(
        "layer_norm", make_view(out, x.shape(), contiguous_strides(x.shape())), {x, weight, bias},
        [=](const Tensor& gradient) -> std::vector<Tensor> {
            const Tensor dy = reshape(contiguous(gradient), {rows, C});
            const Tensor dx = Tensor::empty({rows, C}, input.dtype(), input.context());
            const Tensor dweight = Tensor::empty({C}, statistics, input.context());
            const Tensor dbias = Tensor::empty({C}, statistics, input.context());
            kernels::LayerNormBackward backward;
            backward.dy = dy.view();
            backward.x = input.view();
            backward.weight = weight.view();
            backward.mean = mean.view();
            backward.reciprocal_deviation = reciprocal_deviation.view();
            backward.dx = dx.view();
            backward.weight_gradient = dweight.view();
            backward.bias_gradient = dbias.view();
            kernels::layer_norm_backward(dx.context(), backward);
            return {reshape(dx, x.shape()), dweight, dbias};
        });
}

}  // namespace balmer
