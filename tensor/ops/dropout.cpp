#include "tensor/ops/dropout.h"

#include "kernels/dropout/dropout.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/shape.h"

namespace balmer {
namespace {

/// The place that `random` stands at; moves it by `count` numbers.
kernels::RandomPlace take(Random& random, std::int64_t count) {
    kernels::RandomPlace place;
    place.seed = random.seed();
    place.stream = random.stream();
    place.position = random.position();
    random.seek(random.position() + static_cast<std::uint64_t>(count));
    return place;
}

/// The elements of contiguous x as [B, C].
View samples_of(const Tensor& x) {
    const std::int64_t batch = x.size(0);
    return View(x.view().data, x.dtype(), {batch, batch == 0 ? 0 : x.numel() / batch},
                x.context().device);
}

Tensor drop_samples(const Tensor& x, double probability, const kernels::RandomPlace& place,
                    const Tensor& residual) {
    const Tensor source = contiguous(x).detach();
    const Tensor added = residual.defined() ? contiguous(residual).detach() : Tensor();
    const Tensor out = Tensor::empty(x.shape(), x.dtype(), x.context());
    kernels::drop_path(
        x.context(), {samples_of(source), added.defined() ? samples_of(added) : View(), probability,
                      place, samples_of(out)});
    return out;
}

Tensor drop_elements(const Tensor& x, double probability, const kernels::RandomPlace& place) {
    const Tensor source = contiguous(x).detach();
    const Tensor out = Tensor::empty(x.shape(), x.dtype(), x.context());
    kernels::dropout(x.context(), {source.view(), probability, place, out.view()});
    return out;
}

}  // namespace

Tensor drop_path(const Tensor& x, double probability, Random& random, const Tensor& residual) {
    if (residual.defined()) {
        expect_same_dtype("drop_path", {x, residual});
        if (!(residual.shape() == x.shape())) {
            throw_shape_error("drop_path", {x, residual}, "expected the same shape");
        }
    }
    if (x.rank() == 0) throw_shape_error("drop_path", {x}, "expected [B, ...]");
    if (probability == 0.0) return residual.defined() ? x + residual : x;
    const kernels::RandomPlace place = take(random, x.size(0));
    const bool has_residual = residual.defined();
    std::vector<Tensor> inputs = {x};
    if (has_residual) inputs.push_back(residual);
    return differentiable(
        "drop_path", drop_samples(x, probability, place, residual), std::move(inputs),
        [=](const Tensor& gradient) -> std::vector<Tensor> {
            std::vector<Tensor> gradients = {drop_samples(gradient, probability, place, {})};
            if (has_residual) gradients.push_back(gradient);
            return gradients;
        });
}

Tensor dropout(const Tensor& x, double probability, Random& random) {
    if (probability == 0.0) return x;
    const kernels::RandomPlace place = take(random, (x.numel() + 3) / 4);
    return differentiable("dropout", drop_elements(x, probability, place), {x},
                          [=](const Tensor& gradient) -> std::vector<Tensor> {
                              return {drop_elements(gradient, probability, place)};
                          });
}

}  // namespace balmer
