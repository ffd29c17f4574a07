#include "tensor/ops/attention.h"

#include "kernels/attention/attention.h"
#include "tensor/ops/shape.h"

namespace balmer {
namespace {

/// What one forward pass leaves for its backward pass.
struct Saved {
    Tensor query;
    Tensor key;
    Tensor value;
    Tensor key_mask;
    double scale;
    Tensor out;
    Tensor log_sum_exp;
};

View view_of(const Tensor& tensor) {
    return tensor.defined() ? tensor.view() : View();
}

Saved run_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                  const Tensor& key_mask, double scale) {
    const std::int64_t B = query.size(0);
    const std::int64_t T = query.size(1);
    const std::int64_t H = query.size(2);
    const Tensor out = Tensor::empty(query.shape(), query.dtype(), query.context());
    const Tensor log_sum_exp =
        Tensor::empty({B, H, T}, statistics_dtype(query.dtype()), query.context());
    kernels::attention(query.context(), {query.view(), key.view(), value.view(), view_of(key_mask),
                                         scale, out.view(), log_sum_exp.view()});
    return {query.detach(), key.detach(), value.detach(), key_mask,
            scale,          out.detach(), log_sum_exp};
}

void run_backward(const Saved& saved, const Tensor& gradient, const Tensor& dquery,
                  const Tensor& dkey, const Tensor& dvalue) {
    const Tensor dout = contiguous(gradient);
    kernels::attention_backward(
        dout.context(), {dout.view(), saved.query.view(), saved.key.view(), saved.value.view(),
                         view_of(saved.key_mask), saved.scale, saved.out.view(),
                         saved.log_sum_exp.view(), dquery.view(), dkey.view(), dvalue.view()});
}

}  // namespace

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value,
                 const Tensor& key_mask, double scale) {
    expect_same_dtype("attention", {query, key, value});
    if (query.rank() != 4 || key.rank() != 4 || !(key.shape() == value.shape()) ||
        !(key.shape().with(1, 1) == query.shape().with(1, 1))) {
        throw_shape_error("attention", {query, key, value},
                          "expected [B, T, H, D], [B, S, H, D] and [B, S, H, D]");
    }
    const Saved saved =
        run_forward(contiguous(query), contiguous(key), contiguous(value), key_mask, scale);
    return differentiable("attention", saved.out.detach(), {query, key, value},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              const auto like = [](const Tensor& x) {
                                  return Tensor::empty(x.shape(), x.dtype(), x.context());
                              };
                              const Tensor dquery = like(saved.query);
                              const Tensor dkey = like(saved.key);
                              const Tensor dvalue = like(saved.value);
                              run_backward(saved, gradient, dquery, dkey, dvalue);
                              return {dquery, dkey, dvalue};
                          });
}

Tensor packed_attention(const Tensor& qkv, const Tensor& key_mask, double scale) {
    if (qkv.rank() != 5 || qkv.size(2) != 3) {
        throw_shape_error("packed_attention", {qkv}, "expected [B, T, 3, H, D]");
    }
    const auto part = [](const Tensor& packed, std::int64_t index) {
        return make_view(packed, packed.shape().without(2), packed.strides().without(2),
                         index * packed.strides()[2]);
    };
    const Tensor packed = contiguous(qkv).detach();
    const Saved saved =
        run_forward(part(packed, 0), part(packed, 1), part(packed, 2), key_mask, scale);
    return differentiable(
        "packed_attention", saved.out.detach(), {qkv},
        [=](const Tensor& gradient) -> std::vector<Tensor> {
            const Tensor dqkv = Tensor::empty(qkv.shape(), qkv.dtype(), qkv.context());
            run_backward(saved, gradient, part(dqkv, 0), part(dqkv, 1), part(dqkv, 2));
            return {dqkv};
        });
}

}  // namespace balmer
