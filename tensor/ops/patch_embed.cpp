#include "tensor/ops/patch_embed.h"

#include "kernels/patch_embed/patch_embed.h"
#include "tensor/ops/shape.h"

namespace balmer {

Tensor patch_embed(const Tensor& image, const Tensor& weight, const Tensor& bias, const Tensor& cls,
                   const Tensor& position, std::int64_t patch_size) {
    const Tensor input = contiguous(image).detach();
    const Shape tokens{image.size(0), position.size(0), weight.size(0)};
    const Tensor out = Tensor::empty(tokens, image.dtype(), image.context());  // (B, 1 + N, C)
    kernels::patch_embed(image.context(),
                         {input.view(), weight.low_precision(image.dtype()).view(), bias.view(),
                          cls.view(), position.view(), patch_size, out.view()});
    return differentiable(
        "patch_embed", out, {image, weight, bias, cls, position},
        [=](const Tensor& gradient) -> std::vector<Tensor> {
            const auto like = [](const Tensor& x) {
                return Tensor::empty(x.shape(), x.dtype(), x.context());
            };
            const Tensor dout = contiguous(gradient);
            const Tensor dimage = image.requires_grad() ? like(image) : Tensor();
            const Tensor dweight = like(weight);
            const Tensor dbias = like(bias);
            const Tensor dcls = like(cls);
            const Tensor dposition = like(position);
            kernels::patch_embed_backward(
                dout.context(),
                {dout.view(), input.view(), weight.low_precision(image.dtype()).view(), patch_size,
                 dimage.defined() ? dimage.view() : View(), dweight.view(), dbias.view(),
                 dcls.view(), dposition.view()});
            return {dimage, dweight, dbias, dcls, dposition};
        });
}

}  // namespace balmer
