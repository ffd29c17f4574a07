#include <cmath>

#include "nn/initialise.h"
#include "vit/model_directory.h"
#include "vit/position_embedding.h"
#include "vit/stored_weights.h"

namespace balmer::vit {
namespace {

/// The square grid of a stored position embedding [1, 1 + N, C]; 0 x 0 if it is none.
Grid stored_grid(const Shape& shape) {
    if (shape.rank() != 3 || shape[0] != 1 || shape[1] < 2) return {};
    const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(shape[1] - 1.0)));
    return side * side == shape[1] - 1 ? Grid{side, side} : Grid{};
}

}  // namespace

PretrainedReport load_pretrained(Model& model, const std::string& file_or_directory) {
    const weights::CheckpointSource source(file_or_directory);
    StoredWeights stored = match_backbone(model, source);
    PretrainedReport report;
    report.layout = stored.layout;
    report.ignored = stored.ignored;

    const Grid own{model.config().grid(), model.config().grid()};
    Grid from = own;
    for (const auto& parameter : stored.parameters) {
        const std::string& name = parameter.sources.front();
        if (parameter.name != "position_embedding" || !source.contains(name)) continue;
        const Shape& shape = source.info(name).shape;
        const Grid grid = stored_grid(shape);
        if (grid.size() == 0 || grid == own) continue;
        from = grid;
        stored.expected[name][1] = shape[1];
        report.position_interpolated = true;
    }
    expect_match(stored, source);

    const NoGrad no_grad;
    for (const auto& parameter : stored.parameters) {
        std::vector<float> values = read_finite(source, parameter.sources);
        if (parameter.name == "position_embedding" && report.position_interpolated) {
            const Tensor position =
                Tensor::from(values, {1 + from.size(), parameter.tensor.size(1)}, model.context());
            values = interpolate_position(position, from, own).to_vector<float>();
        }
        nn::assign(parameter.tensor, values);
        report.loaded.push_back(parameter.name);
    }
    for (const auto& [name, tensor] : model.parameters()) {
        if (Model::is_head_parameter(name)) report.fresh.push_back(name);
    }
    return report;
}

}  // namespace balmer::vit
