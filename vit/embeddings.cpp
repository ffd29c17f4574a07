#include "vit/embeddings.h"

#include <algorithm>
#include <vector>

#include "kernels/core/error.h"
#include "tensor/ops.h"
#include "weights/safetensors.h"
#include "weights/weight_checks.h"

namespace balmer::vit {

Tensor read_pixel_values(const std::string& path, const Context& context) {
    const weights::SafetensorsFile file(path);
    const auto& info = file.info("pixel_values");
    if (info.shape.rank() != 4) {
        throw FormatError(path, "pixel_values is " + weights::to_string(info) +
                                    ", expected four dimensions [N, channels, H, W]");
    }
    if (info.shape.numel() == 0) {
        throw FormatError(path, "pixel_values is " + weights::to_string(info) + ": no image");
    }
    std::vector<float> values(static_cast<std::size_t>(info.shape.numel()));
    file.read_as_f32("pixel_values", values.data());
    weights::expect_finite(path, "pixel_values", View(values.data(), DType::f32, info.shape));
    return Tensor::from(values, info.shape, context);
}

void embed_pixels(const Model& model, const Tensor& pixels, const EmbeddingOptions& options,
                  const TokenSink& sink) {
    if (model.config().architecture != "vit") {
        throw UsageError("embeddings of pixels need a vision transformer, not " +
                         model.config().architecture);
    }
    if (options.batch < 1) throw UsageError("a batch holds at least one image");
    const NoGrad no_grad;
    nn::ForwardOptions forward;
    forward.precision = options.precision;
    const std::int64_t N = pixels.size(0);
    for (std::int64_t first = 0; first < N; first += options.batch) {
        ModelInput input;
        input.pixels = slice(pixels, 0, first, std::min(options.batch, N - first));
        if (!sink(first, model.tokens(input, forward))) return;
    }
}

void write_embeddings(const std::string& path, const Tensor& cls,
                      const std::vector<Tensor>& token_parts) {
    const NoGrad no_grad;
    std::vector<weights::NamedView> views = {{"cls", cls.view()}};
    Tensor tokens;  // (N, T, C)
    if (!token_parts.empty()) {
        tokens = token_parts.size() == 1 ? token_parts[0] : concatenate(token_parts, 0);
        views.push_back({"last_hidden_state", tokens.view()});
    }
    weights::write_safetensors(path, views, {{"format", "pt"}});
}

}  // namespace balmer::vit
