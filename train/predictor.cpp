#include "train/predictor.h"

#include "data/pack/batch.h"
#include "train/model_input.h"
#include "vit/model_directory.h"

namespace balmer::train {

struct Predictor::Parts {
    std::unique_ptr<vit::Model> model;
    InputBuilder input;
    Uncertainties uncertainties;
};

Predictor::Predictor(const std::string& model_directory, const Context& context, DType precision) {
    auto model = vit::load_model(model_directory, context);
    if (model->config().heads.empty()) {
        throw UsageError(model_directory + ": the model has no head, so it predicts nothing");
    }
    InputBuilder input(model->config(), context, precision);
    parts_ = std::make_unique<Parts>(
        Parts{std::move(model), std::move(input), run_uncertainties(model_directory)});
}

Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

const std::vector<vit::ModelConfig::Head>& Predictor::heads() const {
    return parts_->model->config().heads;
}

std::vector<PredictionRow> Predictor::predict(std::span<const data::Spectrum> spectra) const {
    const NoGrad no_grad;
    std::vector<data::BatchItem> items;
    std::vector<PredictionRow> rows;
    for (const data::Spectrum& spectrum : spectra) {
        items.push_back(data::batch_item(spectrum));
        rows.push_back(describe(spectrum, data::signal_to_noise(spectrum)));
    }
    if (rows.empty()) return rows;
    data::Batch batch;
    data::assemble(items, parts_->input.options().grid, batch);
    const auto outputs = parts_->model->forward(parts_->input.build(batch, 0, batch.size),
                                                {.precision = parts_->input.precision()});
    decode_outputs(heads(), outputs, parts_->uncertainties, rows);
    return rows;
}

PredictionRow Predictor::predict(const data::Spectrum& spectrum) const {
    return predict(std::span(&spectrum, 1)).front();
}

}  // namespace balmer::train
