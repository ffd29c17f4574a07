#include "tensor/ops/reduce.h"

#include "kernels/elementwise/elementwise.h"
#include "kernels/reduce/reduce.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/shape.h"

namespace balmer {
namespace {

/// The sum of x over the dimensions in which `kept` is 1, as a tensor of shape `kept`.
Tensor sum_keeping(const Tensor& x, const Shape& kept, double scale, DType dtype) {
    const Tensor out = Tensor::empty(kept, dtype, x.context());
    kernels::sum(x.context(), {x.view(), scale, out.view()});
    return differentiable("sum", out, {x}, [=](const Tensor& gradient) -> std::vector<Tensor> {
        return {expand(affine(cast(gradient, x.dtype()), scale), x.shape())};
    });
}

Tensor reduce(const Tensor& x, std::initializer_list<int> dimensions, double scale, DType dtype) {
    Shape kept = x.shape();
    for (const int dimension : dimensions) kept[dimension] = 1;
    Shape result;
    for (int i = 0; i < x.rank(); ++i) {
        bool is_removed = false;
        for (const int dimension : dimensions) {
            is_removed = is_removed || i == (dimension < 0 ? dimension + x.rank() : dimension);
        }
        if (!is_removed) result.push_back(x.size(i));
    }
    return reshape(sum_keeping(x, kept, scale, dtype), result);
}

}  // namespace

Tensor sum(const Tensor& x, std::initializer_list<int> dimensions) {
    return reduce(x, dimensions, 1.0, x.dtype());
}

Tensor sum(const Tensor& x, std::initializer_list<int> dimensions, DType dtype) {
    return reduce(x, dimensions, 1.0, dtype);
}

Tensor sum(const Tensor& x) {
    Shape ones = x.shape();
    for (int i = 0; i < x.rank(); ++i) ones[i] = 1;
    return reshape(sum_keeping(x, ones, 1.0, x.dtype()), Shape{});
}

Tensor mean(const Tensor& x, std::initializer_list<int> dimensions) {
    double count = 1.0;
    for (const int dimension : dimensions) count *= static_cast<double>(x.size(dimension));
    return reduce(x, dimensions, 1.0 / count, x.dtype());
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
    if (x.shape() == shape) return x;
    Shape kept = x.shape();
    for (int i = 1; i <= x.rank(); ++i) kept[-i] = i <= shape.rank() ? shape[-i] : 1;
    return reshape(sum_keeping(x, kept, 1.0, x.dtype()), shape);
}

Tensor masked_mean(const Tensor& x, const Tensor& mask) {
    if (x.rank() != 3 || !(mask.shape() == Shape{x.size(0), x.size(1)})) {
        throw_shape_error("masked_mean", {x, mask}, "expected [B, T, C] and a mask [B, T]");
    }
    const Tensor valid = reshape(cast(mask, DType::f32), {x.size(0), x.size(1), 1});
    const Tensor count = sum_keeping(valid, {x.size(0), 1, 1}, 1.0, DType::f32);
    // 1 where nothing is valid: 0 divided by it is 0.
    const Tensor divisor = count + relu(affine(count, -1.0, 1.0));
    const Tensor weight = cast(valid / divisor, x.dtype());
    return sum(x * weight, {1});
}

}  // namespace balmer
