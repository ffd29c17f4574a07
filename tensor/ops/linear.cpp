#include "tensor/ops/linear.h"

#include "kernels/gemm/gemm.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/shape.h"

namespace balmer {
namespace {

using kernels::Epilogue;
using kernels::GemmArguments;

const void* data_of(const Tensor& tensor) {
    return tensor.defined() ? tensor.view().data : nullptr;
}

/// x as a contiguous matrix [rows, last dimension], without history.
Tensor as_matrix(const Tensor& x) {
    const Tensor source = (x.is_contiguous() ? x : x.clone()).detach();
    const std::int64_t columns = x.size(-1);
    const Shape shape{columns == 0 ? 0 : x.numel() / columns, columns};
    return make_view(source, shape, contiguous_strides(shape));
}

/// One product of contiguous matrices: a [m, k] (or [k, m]), b [k, n] (or [n, k]) into d [m, n].
GemmArguments product(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b,
                      const Tensor& d) {
    GemmArguments arguments;
    auto& spec = arguments.spec;
    spec.m = d.size(0);
    spec.n = d.size(1);
    spec.k = a.size(transpose_a ? 0 : 1);
    spec.transpose_a = transpose_a;
    spec.transpose_b = transpose_b;
    spec.lda = a.size(1);
    spec.ldb = b.size(1);
    spec.ldd = d.size(1);
    spec.input = a.dtype();
    spec.output = d.dtype();
    arguments.a = data_of(a);
    arguments.b = data_of(b);
    arguments.d = d.view().data;
    return arguments;
}

void expect_layer(const char* operation, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Tensor& residual) {
    const DType parameters = statistics_dtype(x.dtype());
    if (weight.dtype() != parameters || (bias.defined() && bias.dtype() != parameters)) {
        throw DTypeError(std::string(operation) + ": x " + to_string(x) + " needs parameters of " +
                         std::string(name_of(parameters)) + ", got weight " + to_string(weight) +
                         " and bias " + to_string(bias));
    }
    if (weight.rank() != 2 || x.rank() < 1 || x.size(-1) != weight.size(1)) {
        throw_shape_error(operation, {x, weight}, "expected [..., in] and [out, in]");
    }
    if (bias.defined() && !(bias.shape() == Shape{weight.size(0)})) {
        throw_shape_error(operation, {weight, bias}, "expected [out, in] and [out]");
    }
    if (residual.defined()) {
        expect_same_dtype(operation, {x, residual});
        if (!(residual.shape() == x.shape().with(-1, weight.size(0)))) {
            throw_shape_error(operation, {x, weight, residual}, "the residual is not [..., out]");
        }
    }
}

/// x weight^T + bias (+ residual), or its GELU with the pre-activation in `auxiliary`; no history.
Tensor forward_product(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const Tensor& residual, bool with_gelu = false,
                       const Tensor& auxiliary = {}) {
    const Tensor out = Tensor::empty({x.size(0), weight.size(0)}, x.dtype(), x.context());
    GemmArguments arguments = product(x, false, weight.low_precision(x.dtype()), true, out);
    arguments.bias = data_of(bias);
    arguments.spec.epilogue = with_gelu        ? Epilogue::gelu
                              : bias.defined() ? Epilogue::bias
                                               : Epilogue::none;
    const Tensor addend = residual.defined() ? as_matrix(residual) : Tensor();
    if (residual.defined()) {
        arguments.spec.beta = 1.0;
        arguments.c = data_of(addend);
    }
    if (auxiliary.defined()) arguments.auxiliary = auxiliary.view().data;
    kernels::gemm(x.context(), arguments);
    return out;
}

/// dy weight.
Tensor input_gradient(const Tensor& dy, const Tensor& weight) {
    const Tensor dx = Tensor::empty({dy.size(0), weight.size(1)}, dy.dtype(), dy.context());
    kernels::gemm(dy.context(), product(dy, false, weight.low_precision(dy.dtype()), false, dx));
    return dx;
}

struct ParameterGradients {
    Tensor weight;
    Tensor bias;
};

/// dy^T x, and the column sums of dy where the layer has a bias.
ParameterGradients parameter_gradients(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                       const Tensor& bias) {
    ParameterGradients result;
    const bool needs_bias = bias.requires_grad();
    if (needs_bias) result.bias = Tensor::empty(bias.shape(), bias.dtype(), bias.context());
    if (!weight.requires_grad()) {
        if (needs_bias) result.bias = sum(dy, {0}, bias.dtype());
        return result;
    }
    result.weight = Tensor::empty(weight.shape(), weight.dtype(), weight.context());
    GemmArguments arguments = product(dy, true, x, false, result.weight);
    if (needs_bias) {
        arguments.spec.epilogue = Epilogue::row_sum_a;
        arguments.bias_gradient = result.bias.view().data;
    }
    kernels::gemm(dy.context(), arguments);
    return result;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
    expect_same_dtype("matmul", {a, b});
    if (a.rank() < 2 || b.rank() < 2 || a.size(-1) != b.size(-2)) {
        throw_shape_error("matmul", {a, b}, "expected [..., m, k] and [..., k, n]");
    }
    if (b.rank() == 2 && a.rank() > 2) {
        const Tensor flat = matmul(reshape(a, {-1, a.size(-1)}), b);
        return reshape(flat, a.shape().with(-1, b.size(-1)));
    }
    if (!(a.shape().without(-1).without(-1) == b.shape().without(-1).without(-1))) {
        throw_shape_error("matmul", {a, b}, "leading dimensions differ");
    }
    const Tensor left = contiguous(a).detach();
    const Tensor right = contiguous(b).detach();
    const Tensor out = Tensor::empty(a.shape().with(-1, b.size(-1)), a.dtype(), a.context());
    // Each of d = op(a) op(b) on batches of contiguous matrices.
    const auto run = [](const Tensor& p, bool transpose_p, const Tensor& q, bool transpose_q,
                        const Tensor& d) {
        GemmArguments arguments;
        auto& spec = arguments.spec;
        spec.m = d.size(-2);
        spec.n = d.size(-1);
        spec.k = p.size(transpose_p ? -2 : -1);
        spec.batch = d.numel() == 0 ? 0 : d.numel() / (spec.m * spec.n);
        spec.transpose_a = transpose_p;
        spec.transpose_b = transpose_q;
        spec.lda = p.size(-1);
        spec.ldb = q.size(-1);
        spec.ldd = spec.n;
        spec.stride_a = p.size(-1) * p.size(-2);
        spec.stride_b = q.size(-1) * q.size(-2);
        spec.stride_d = spec.m * spec.n;
        spec.input = p.dtype();
        spec.output = d.dtype();
        arguments.a = data_of(p);
        arguments.b = data_of(q);
        arguments.d = d.view().data;
        kernels::gemm(d.context(), arguments);
    };
    run(left, false, right, false, out);
    return differentiable("matmul", out, {a, b},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              const Tensor dy = contiguous(gradient);
                              const Tensor da = Tensor::empty(a.shape(), a.dtype(), a.context());
                              const Tensor db = Tensor::empty(b.shape(), b.dtype(), b.context());
                              if (a.requires_grad()) run(dy, false, right, true, da);
                              if (b.requires_grad()) run(left, true, dy, false, db);
                              return {da, db};
                          });
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual) {
    expect_layer("linear", x, weight, bias, residual);
    const Tensor rows = as_matrix(x);  // (rows, in)
    const Shape shape = x.shape().with(-1, weight.size(0));
    const Tensor out = forward_product(rows, weight, bias, residual);
    return differentiable("linear", make_view(out, shape, contiguous_strides(shape)),
                          {x, weight, bias, residual},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              const Tensor dy = as_matrix(gradient);  // (rows, out)
                              Tensor dx;
                              if (x.requires_grad()) {
                                  dx = reshape(input_gradient(dy, weight), x.shape());
                              }
                              const auto parameters = parameter_gradients(dy, rows, weight, bias);
                              return {dx, parameters.weight, parameters.bias, gradient};
                          });
}

Tensor mlp(const Tensor& x, const Tensor& w1, const Tensor& b1, const Tensor& w2, const Tensor& b2,
           const Tensor& residual) {
    expect_layer("mlp", x, w1, b1, {});
    const Tensor rows = as_matrix(x);  // (rows, in)
    Tensor before;                     // (rows, hidden): the pre-activation
    if (records_history({x, w1, b1, w2, b2})) {
        before = Tensor::empty({rows.size(0), w1.size(0)}, x.dtype(), x.context());
    }
    const Tensor hidden = forward_product(rows, w1, b1, {}, true, before);
    expect_layer("mlp", hidden, w2, b2, {});
    const Shape shape = x.shape().with(-1, w2.size(0));
    if (residual.defined() && !(residual.shape() == shape)) {
        throw_shape_error("mlp", {x, residual}, "the residual is not " + to_string(shape));
    }
    const Tensor out = forward_product(hidden, w2, b2, residual);
    return differentiable(
        "mlp", make_view(out, shape, contiguous_strides(shape)), {x, w1, b1, w2, b2, residual},
        [=](const Tensor& gradient) -> std::vector<Tensor> {
            const Tensor dy = as_matrix(gradient);  // (rows, out)
            const auto second = parameter_gradients(dy, hidden, w2, b2);
            const Tensor dbefore = Tensor::empty(before.shape(), before.dtype(), before.context());
            GemmArguments arguments =
                product(dy, false, w2.low_precision(dy.dtype()), false, dbefore);
            arguments.spec.epilogue = Epilogue::gelu_gradient;
            arguments.auxiliary = before.view().data;
            Tensor db1;
            if (b1.requires_grad()) {
                db1 = Tensor::empty(b1.shape(), b1.dtype(), b1.context());
                arguments.bias_gradient = db1.view().data;
            }
            kernels::gemm(dy.context(), arguments);
            Tensor dw1;
            if (w1.requires_grad()) dw1 = parameter_gradients(dbefore, rows, w1, {}).weight;
            Tensor dx;
            if (x.requires_grad()) dx = reshape(input_gradient(dbefore, w1), x.shape());
            return {dx, dw1, db1, second.weight, second.bias, gradient};
        });
}

}  // namespace balmer
