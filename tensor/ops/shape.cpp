#include "tensor/ops/shape.h"

#include <utility>

#include "kernels/elementwise/elementwise.h"
#include "tensor/ops/reduce.h"

namespace balmer {
namespace {

int normalised(const Tensor& x, int dimension, const char* operation) {
    const int index = dimension < 0 ? dimension + x.rank() : dimension;
    if (index < 0 || index >= x.rank()) {
        throw_shape_error(operation, {x}, "has no dimension " + std::to_string(dimension));
    }
    return index;
}

Tensor zeros_like(const Tensor& x) {
    return Tensor::zeros(x.shape(), x.dtype(), x.context());
}

void copy_into(const Tensor& source, const Tensor& target) {
    kernels::copy(source.context(), {source.view(), target.view()});
}

/// The window on dimension `dimension` from `start`, without history.
Tensor window(const Tensor& x, int dimension, std::int64_t start, std::int64_t length) {
    return make_view(x, x.shape().with(dimension, length), x.strides(),
                     start * x.strides()[dimension]);
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
    Shape target = shape;
    std::int64_t known = 1;
    int unknown = -1;
    for (int i = 0; i < shape.rank(); ++i) {
        if (shape[i] == -1 && unknown == -1) {
            unknown = i;
        } else {
            known *= shape[i];
        }
    }
    if (unknown >= 0) target[unknown] = known == 0 ? 0 : x.numel() / known;
    if (target.numel() != x.numel()) {
        throw_shape_error("reshape", {x}, "cannot become " + to_string(shape));
    }
    const Tensor source = x.is_contiguous() ? x : x.clone();
    return differentiable("reshape", make_view(source, target, contiguous_strides(target)), {x},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              return {reshape(gradient, x.shape())};
                          });
}

Tensor permute(const Tensor& x, std::initializer_list<int> order) {
    const std::vector<int> axes(order);
    Shape shape;
    Strides strides;
    Shape inverse = x.shape();
    for (const int axis : axes) {
        const int index = normalised(x, axis, "permute");
        inverse[index] = shape.rank();
        shape.push_back(x.size(index));
        strides.push_back(x.strides()[index]);
    }
    if (shape.rank() != x.rank() || shape.numel() != x.numel()) {
        throw_shape_error("permute", {x}, "order must name every dimension once");
    }
    return differentiable("permute", make_view(x, shape, strides), {x},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              Strides back = inverse;
                              for (int i = 0; i < back.rank(); ++i) {
                                  back[i] = gradient.strides()[static_cast<int>(inverse[i])];
                              }
                              return {make_view(gradient, x.shape(), back)};
                          });
}

Tensor transpose(const Tensor& x, int first, int second) {
    const int a = normalised(x, first, "transpose");
    const int b = normalised(x, second, "transpose");
    const auto exchange = [a, b](const Tensor& tensor) {
        Shape shape = tensor.shape();
        Strides strides = tensor.strides();
        std::swap(shape[a], shape[b]);
        std::swap(strides[a], strides[b]);
        return make_view(tensor, shape, strides);
    };
    return differentiable(
        "transpose", exchange(x), {x},
        [=](const Tensor& gradient) -> std::vector<Tensor> { return {exchange(gradient)}; });
}

Tensor slice(const Tensor& x, int dimension, std::int64_t start, std::int64_t length) {
    const int axis = normalised(x, dimension, "slice");
    if (start < 0 || length < 0 || start + length > x.size(axis)) {
        throw_shape_error("slice", {x},
                          "has no elements " + std::to_string(start) + " to " +
                              std::to_string(start + length) + " in dimension " +
                              std::to_string(dimension));
    }
    return differentiable("slice", window(x, axis, start, length), {x},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              const Tensor dx = zeros_like(x);
                              copy_into(gradient, window(dx, axis, start, length));
                              return {dx};
                          });
}

Tensor select(const Tensor& x, int dimension, std::int64_t index) {
    const Tensor part = slice(x, dimension, index, 1);
    const int axis = normalised(x, dimension, "select");
    return differentiable("select",
                          make_view(part, x.shape().without(axis), part.strides().without(axis)),
                          {part}, [=](const Tensor& gradient) -> std::vector<Tensor> {
                              return {reshape(gradient, part.shape())};
                          });
}

Tensor expand(const Tensor& x, const Shape& shape) {
    const View view = x.view().expanded_to(shape, "expand");
    return differentiable("expand", make_view(x, view.shape, view.strides), {x},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              return {sum_to(gradient, x.shape())};
                          });
}

Tensor contiguous(const Tensor& x) {
    if (x.is_contiguous()) return x;
    return differentiable("contiguous", x.clone(), {x},
                          [](const Tensor& gradient) -> std::vector<Tensor> { return {gradient}; });
}

Tensor concatenate(const std::vector<Tensor>& tensors, int dimension) {
    if (tensors.empty()) throw ShapeError("concatenate: no tensors");
    const Tensor& first = tensors.front();
    const int axis = normalised(first, dimension, "concatenate");
    std::int64_t length = 0;
    for (const Tensor& tensor : tensors) {
        expect_same_dtype("concatenate", {first, tensor});
        if (tensor.rank() != first.rank() ||
            !(tensor.shape().without(axis) == first.shape().without(axis))) {
            throw_shape_error("concatenate", {first, tensor},
                              "sizes differ outside dimension " + std::to_string(dimension));
        }
        length += tensor.size(axis);
    }
    const Tensor out =
        Tensor::empty(first.shape().with(axis, length), first.dtype(), first.context());
    std::int64_t start = 0;
    for (const Tensor& tensor : tensors) {
        copy_into(tensor, window(out, axis, start, tensor.size(axis)));
        start += tensor.size(axis);
    }
    return differentiable("concatenate", out, tensors,
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              std::vector<Tensor> parts;
                              std::int64_t from = 0;
                              for (const Tensor& tensor : tensors) {
                                  parts.push_back(window(gradient, axis, from, tensor.size(axis)));
                                  from += tensor.size(axis);
                              }
                              return parts;
                          });
}

Tensor cast(const Tensor& x, DType dtype) {
    if (x.dtype() == dtype) return x;
    if (!is_floating(dtype) && x.requires_grad()) {
        throw DTypeError("cast: " + to_string(x) + " requires a gradient and cannot become " +
                         std::string(name_of(dtype)));
    }
    const Tensor out = Tensor::empty(x.shape(), dtype, x.context());
    copy_into(x, out);
    return differentiable("cast", out, {x}, [=](const Tensor& gradient) -> std::vector<Tensor> {
        return {cast(gradient, x.dtype())};
    });
}

}  // namespace balmer
