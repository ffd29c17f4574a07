#include "tensor/ops/arithmetic.h"

#include "kernels/elementwise/elementwise.h"
#include "kernels/gelu/gelu.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/shape.h"

namespace balmer {
namespace {

using kernels::BinaryOperation;
using kernels::UnaryOperation;

/// a (operation) b without history.
Tensor compute(BinaryOperation operation, const char* name, const Tensor& a, const Tensor& b) {
    expect_same_dtype(name, {a, b});
    const Shape shape = broadcast_shape(a.shape(), b.shape(), name);
    const Tensor out = Tensor::empty(shape, a.dtype(), a.context());
    kernels::binary(a.context(), {operation, a.view().expanded_to(shape, name),
                                  b.view().expanded_to(shape, name), out.view()});
    return out;
}

Tensor apply(UnaryOperation operation, const char* name, const Tensor& x) {
    const Tensor out = Tensor::empty(x.shape(), x.dtype(), x.context());
    kernels::unary(x.context(), {operation, x.view(), out.view()});
    return differentiable(name, out, {x}, [=](const Tensor& gradient) -> std::vector<Tensor> {
        const Tensor dx = Tensor::empty(x.shape(), x.dtype(), x.context());
        kernels::unary_backward(x.context(), {operation, x.view(), gradient.view(), dx.view()});
        return {dx};
    });
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
    return differentiable("add", compute(BinaryOperation::add, "add", a, b), {a, b},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              return {sum_to(gradient, a.shape()), sum_to(gradient, b.shape())};
                          });
}

Tensor subtract(const Tensor& a, const Tensor& b) {
    return differentiable(
        "subtract", compute(BinaryOperation::subtract, "subtract", a, b), {a, b},
        [=](const Tensor& gradient) -> std::vector<Tensor> {
            return {sum_to(gradient, a.shape()), negative(sum_to(gradient, b.shape()))};
        });
}

Tensor multiply(const Tensor& a, const Tensor& b) {
    return differentiable("multiply", compute(BinaryOperation::multiply, "multiply", a, b), {a, b},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              Tensor da;
                              Tensor db;
                              if (a.requires_grad()) da = sum_to(gradient * b, a.shape());
                              if (b.requires_grad()) db = sum_to(gradient * a, b.shape());
                              return {da, db};
                          });
}

Tensor divide(const Tensor& a, const Tensor& b) {
    return differentiable("divide", compute(BinaryOperation::divide, "divide", a, b), {a, b},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              const Tensor da = gradient / b;
                              Tensor db;
                              if (b.requires_grad()) {
                                  db = negative(sum_to(da * a / b, b.shape()));
                              }
                              return {sum_to(da, a.shape()), db};
                          });
}

Tensor affine(const Tensor& x, double scale, double shift) {
    const Tensor out = Tensor::empty(x.shape(), x.dtype(), x.context());
    kernels::affine(x.context(), {x.view(), scale, shift, out.view()});
    return differentiable("affine", out, {x}, [=](const Tensor& gradient) -> std::vector<Tensor> {
        return {affine(gradient, scale)};
    });
}

Tensor negative(const Tensor& x) {
    return apply(UnaryOperation::negative, "negative", x);
}
Tensor exponential(const Tensor& x) {
    return apply(UnaryOperation::exponential, "exponential", x);
}
Tensor logarithm(const Tensor& x) {
    return apply(UnaryOperation::logarithm, "logarithm", x);
}
Tensor square_root(const Tensor& x) {
    return apply(UnaryOperation::square_root, "square_root", x);
}
Tensor tanh(const Tensor& x) {
    return apply(UnaryOperation::tanh, "tanh", x);
}
Tensor relu(const Tensor& x) {
    return apply(UnaryOperation::relu, "relu", x);
}
Tensor sigmoid(const Tensor& x) {
    return apply(UnaryOperation::sigmoid, "sigmoid", x);
}
Tensor sine(const Tensor& x) {
    return apply(UnaryOperation::sine, "sine", x);
}
Tensor cosine(const Tensor& x) {
    return apply(UnaryOperation::cosine, "cosine", x);
}
Tensor square(const Tensor& x) {
    return apply(UnaryOperation::square, "square", x);
}

Tensor gelu(const Tensor& x, const Tensor& bias) {
    const std::int64_t columns = x.rank() == 0 ? 1 : x.size(-1);
    const Tensor rows = reshape(contiguous(x), {columns == 0 ? 0 : x.numel() / columns, columns});
    const Tensor saved = rows.detach();
    const Tensor out = Tensor::empty(x.shape(), x.dtype(), x.context());
    View out_rows(out.view().data, out.dtype(), rows.shape(), out.context().device);
    const View bias_view = bias.defined() ? bias.view() : View();
    kernels::gelu(x.context(), {saved.view(), bias_view, out_rows});
    return differentiable(
        "gelu", out, {x, bias}, [=](const Tensor& gradient) -> std::vector<Tensor> {
            const Tensor dy = reshape(contiguous(gradient), saved.shape());
            const Tensor dx = Tensor::empty(saved.shape(), saved.dtype(), saved.context());
            kernels::gelu_backward(dx.context(), {dy.view(), saved.view(), bias_view, dx.view()});
            Tensor dbias;
            if (bias.requires_grad()) {
                dbias = reshape(sum(dx, {0}, bias.dtype()), bias.shape());
            }
            return {reshape(dx, x.shape()), dbias};
        });
}

}  // namespace balmer
