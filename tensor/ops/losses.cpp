#include "tensor/ops/losses.h"

#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/mse/mse.h"
#include "tensor/ops/shape.h"

namespace balmer {
namespace {

View view_of(const Tensor& tensor) {
    return tensor.defined() ? tensor.view() : View();
}

/// The view flattened to rank 1; the tensor is contiguous.
View flat(const Tensor& tensor) {
    if (!tensor.defined()) return {};
    return {tensor.view().data, tensor.dtype(), {tensor.numel()}, tensor.context().device};
}

Tensor scalar_view(const Tensor& one) {
    return make_view(one, {}, {});
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, double normaliser,
                     const Tensor& weight) {
    if (logits.rank() != 2 || !(target.shape() == Shape{logits.size(0)})) {
        throw_shape_error("cross_entropy", {logits, target}, "expected [R, K] and [R]");
    }
    const Tensor x = contiguous(logits).detach();
    const DType statistics = statistics_dtype(x.dtype());
    const Tensor loss = Tensor::empty({1}, statistics, x.context());
    const Tensor log_sum_exp = Tensor::empty({x.size(0)}, statistics, x.context());
    kernels::cross_entropy(x.context(), {x.view(), target.view(), view_of(weight), normaliser,
                                         loss.view(), log_sum_exp.view()});
    return differentiable("cross_entropy", scalar_view(loss), {logits},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              const Tensor dx = Tensor::empty(x.shape(), x.dtype(), x.context());
                              kernels::cross_entropy_backward(
                                  x.context(),
                                  {flat(gradient), x.view(), target.view(), view_of(weight),
                                   normaliser, log_sum_exp.view(), dx.view()});
                              return {dx};
                          });
}

Tensor mse(const Tensor& prediction, const Tensor& target, double normaliser, const Tensor& weight,
           double huber_delta) {
    if (!(prediction.shape() == target.shape()) ||
        (weight.defined() && !(weight.shape() == target.shape()))) {
        throw_shape_error("mse", {prediction, target, weight}, "shapes must be equal");
    }
    const Tensor x = contiguous(prediction).detach();
    const Tensor goal = contiguous(target);
    const Tensor factor = weight.defined() ? contiguous(weight) : Tensor();
    const Tensor loss = Tensor::empty({1}, statistics_dtype(x.dtype()), x.context());
    kernels::mse(x.context(),
                 {flat(x), flat(goal), flat(factor), normaliser, huber_delta, loss.view()});
    return differentiable(
        "mse", scalar_view(loss), {prediction}, [=](const Tensor& gradient) -> std::vector<Tensor> {
            const Tensor dx = Tensor::empty(x.shape(), x.dtype(), x.context());
            kernels::mse_backward(x.context(), {flat(gradient), flat(x), flat(goal), flat(factor),
                                                normaliser, huber_delta, flat(dx)});
            return {dx};
        });
}

}  // namespace balmer
