#pragma once
// A model and all that stands between it and a spectrum, for programs that embed Balmer.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/spectrum.h"
#include "kernels/core/context.h"
#include "kernels/core/dtype.h"
#include "train/inference.h"
#include "train/prediction.h"
#include "vit/model.h"

namespace balmer::train {

class Predictor {
  public:
    /// Loads a run of vit-train or a model directory as transformers writes it. `precision` is f32
    /// or bf16. Throws what vit::load_model throws, and UsageError for a model without heads.
    explicit Predictor(const std::string& model_directory, const Context& context = {},
                       DType precision = DType::f32);
    ~Predictor();
    Predictor(Predictor&&) noexcept;
    Predictor& operator=(Predictor&&) noexcept;

    /// What is predicted, in the order of a row's outputs.
    const std::vector<vit::ModelConfig::Head>& heads() const;

    /// One row a spectrum: its description and, by head, the probabilities of the labels or {value,
    /// uncertainty}. ShapeError for a spectrum whose arrays differ in length.
    std::vector<PredictionRow> predict(std::span<const data::Spectrum> spectra) const;
    PredictionRow predict(const data::Spectrum& spectrum) const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace balmer::train
