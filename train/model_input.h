#pragma once
// From a batch of spectra to what a model takes: images rendered on the fly, or the spectrum
// itself.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/pack/loader.h"
#include "render/image_options.h"
#include "vit/model.h"

namespace balmer::train {

/// How spectra are prepared for a model; kept in the model's configuration.
struct InputOptions {
    render::ImageOptions image;
    data::Grid grid = data::Grid::common;
};

/// "common", "native", and back; UsageError naming the two.
const char* name_of(data::Grid grid);
data::Grid grid_named(const std::string& name);

/// As the configuration keeps it, and back: image options under their own names, and "grid". What
/// is absent has its default. Size, patch and normalisation of the image are the model's.
std::map<std::string, std::string> to_map(const InputOptions& options);
InputOptions input_options(const vit::ModelConfig& config);

/// Makes the input of one model, in one precision (f32 or bf16).
class InputBuilder {
  public:
    InputBuilder(const vit::ModelConfig& config, const Context& context, DType precision);

    /// The input of rows [begin, begin + count) of a batch that was loaded on `options().grid`.
    ///
    /// vit: the image, drawn straight into the patch rows that patch_embed reads;
    /// BALMER_CHOICE=model_input=image draws the image itself, with the same results.
    /// transformer-1d: flux minus its mean over its deviation (of the good pixels),
    /// 0 where it is masked.
    vit::ModelInput build(const data::Batch& batch, std::int64_t begin, std::int64_t count) const;

    /// What the input of a whole batch is made from, as contiguous host arrays that can be copied
    /// to the device as they are; absent ones are default-constructed views.
    struct Arrays {
        std::vector<View> views;
        std::vector<Tensor> storage;  ///< of views that are not the batch's own memory
    };
    Arrays arrays(const data::Batch& batch) const;
    /// Applies `augmentation` of the batch to copies of its arrays on the device.
    void augment(const std::vector<Tensor>& arrays) const;
    /// True where that is where augmentation takes place; false: it is the host's work.
    bool augments() const { return takes_images_ && context_.device.type != DeviceType::cpu; }
    /// The same input from copies of those arrays on the device (undefined where absent). The host
    /// waits for nothing and reads nothing of the batch.
    vit::ModelInput build(const std::vector<Tensor>& arrays, std::int64_t begin,
                          std::int64_t count) const;

    /// How many of a spectrum's `pixels` (native grid; those of the grid on the common one) find no
    /// place in an image: programs warn and count.
    std::int64_t lost_pixels(std::int64_t pixels) const;

    const InputOptions& options() const { return options_; }
    DType precision() const { return precision_; }

  private:
    vit::ModelInput draw(const render::SpectrumBatch& spectra) const;
    vit::ModelInput build_image(const data::Batch& batch, std::int64_t begin,
                                std::int64_t count) const;

    InputOptions options_;
    bool takes_images_;
    bool is_fused_;
    std::int64_t image_size_;
    Context context_;
    DType precision_;
};

}  // namespace balmer::train
