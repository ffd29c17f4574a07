#include "vit/spectrum_transformer.h"

#include <cmath>
#include <numbers>

#include "kernels/core/error.h"
#include "tensor/ops.h"
#include "vit/position_embedding.h"

namespace balmer::vit {
namespace {

/// [B, L] -> [B, T, p], the last token filled up with zeros.
Tensor in_tokens(const Tensor& pixels, std::int64_t p) {
    const std::int64_t B = pixels.size(0);
    const std::int64_t missing = (p - pixels.size(1) % p) % p;
    const Tensor whole =
        missing == 0
            ? pixels
            : concatenate({pixels, Tensor::zeros({B, missing}, pixels.dtype(), pixels.context())},
                          1);
    return reshape(whole, {B, -1, p});
}

/// The positions of wavelengths where `valid` (0 or 1, wavelength's dtype) is 1, else 0.
Tensor positions_of(const Tensor& wavelength, const Tensor& valid) {
    const Tensor safe = wavelength * valid + affine(valid, -1.0, 1.0);  // 1 where masked
    return affine(logarithm(safe), 1.0 / (0.25 * std::numbers::ln10), -15.0) * valid;
}

void expect_spectra(const ModelInput& input) {
    const Tensor& place = input.position.defined() ? input.position : input.wavelength;
    if (!input.flux.defined() || !place.defined() || !input.mask.defined()) {
        throw UsageError("a spectrum transformer needs flux, wavelength (or position) and mask");
    }
    if (input.flux.rank() != 2 || input.flux.size(1) == 0 ||
        !(place.shape() == input.flux.shape()) || !(input.mask.shape() == input.flux.shape())) {
        throw_shape_error("spectrum transformer", {input.flux, place, input.mask},
                          "expected three of [B, L]");
    }
    if (input.mask.dtype() != DType::u8) {
        throw DTypeError("spectrum transformer: the mask is " + to_string(input.mask) +
                         ", expected u8");
    }
}

}  // namespace

double wavelength_position(double wavelength) {
    return (std::log10(wavelength) - 3.75) / 0.25;
}

SpectrumTransformer::SpectrumTransformer(const ModelConfig& config, const Context& context)
    : Model(config, context),
      positions_(
          sinusoidal_positions((config.max_length + config.patch_pixels - 1) / config.patch_pixels,
                               config.width, context)) {
    const std::int64_t C = config.width;
    const std::int64_t p = config.patch_pixels;
    flux_embedding_ =
        &register_module("flux_embedding", std::make_unique<nn::Linear>(p, C, true, context));
    wavelength_embedding_ =
        &register_module("wavelength_embedding", std::make_unique<nn::Linear>(p, C, true, context));
    blocks_ = register_blocks();
    norm_ = &register_module(
        "norm", std::make_unique<nn::LayerNorm>(C, config.layer_norm_epsilon, context));
    register_heads();
}

Tensor SpectrumTransformer::positions(std::int64_t tokens) const {
    if (tokens <= positions_.size(0)) return slice(positions_, 0, 0, tokens);
    return sinusoidal_positions(tokens, config().width, context());
}

SpectrumTransformer::Encoded SpectrumTransformer::encode(const ModelInput& input,
                                                         const ForwardOptions& options) const {
    expect_spectra(input);
    const std::int64_t p = config().patch_pixels;
    // Embedded in f32: a step of one pixel in wavelength is less than bf16 resolves.
    const Tensor valid = cast(input.mask, DType::f32);  // (B, L)
    const Tensor flux = cast(input.flux, DType::f32) * valid;
    const Tensor position =
        input.position.defined()
            ? input.position
            : cast(positions_of(input.wavelength, cast(input.mask, input.wavelength.dtype())),
                   DType::f32);
    // A whole number: 1 where more than half of the p pixels are valid, else 0.
    const std::int64_t needed = p / 2 + 1;
    const Tensor share = affine(sum(in_tokens(valid, p), {2}), 1.0 / static_cast<double>(needed));
    const Tensor mask = cast(share, DType::u8);  // (B, T)

    Tensor x = flux_embedding_->forward(in_tokens(flux, p));
    x = wavelength_embedding_->forward(in_tokens(position, p), x);
    x = cast(x + positions(x.size(1)), options.precision.value_or(input.flux.dtype()));
    for (const auto* block : blocks_) x = block->forward(x, mask, options);
    return {norm_->forward(cast(x, DType::f32)), mask};
}

Tensor SpectrumTransformer::features(const ModelInput& input, const ForwardOptions& options) const {
    const Encoded encoded = encode(input, options);
    return masked_mean(encoded.tokens, encoded.mask);
}

Tensor SpectrumTransformer::tokens(const ModelInput& input, const ForwardOptions& options) const {
    return encode(input, options).tokens;
}

}  // namespace balmer::vit
