#pragma once
// A small packed set that a small model can learn, and both of them ready to train.

#include <cmath>
#include <memory>

#include "data/pack/packed_set.h"
#include "kernels/resample/resample.h"
#include "tests/data/pack_test_support.h"
#include "train/trainer.h"

namespace balmer::train {

/// Spectrum `index`: star, galaxy or quasar in turn, told apart by where its one broad line is; the
/// line moves with z. Every fourth lacks z, every star has Teff.
inline data::Spectrum learnable_spectrum(int index) {
    Random random(77, static_cast<std::uint64_t>(index));
    data::Spectrum spectrum;
    spectrum.file = "set/spec-" + std::to_string(index) + ".fits";
    spectrum.survey = index % 2 == 0 ? "sdss" : "lamost";
    spectrum.object_id = 1000 + index;
    spectrum.object_name = "object " + std::to_string(index);
    const char* classes[] = {"STAR", "GALAXY", "QSO"};
    const int kind = index % 3;
    spectrum.labels.object_class = classes[kind];
    const double z = kind == 0 ? 0.0 : random.uniform(0.0, 0.2) + kind;
    if (index % 4 != 3) spectrum.labels.z = z;
    if (index % 8 == 0) spectrum.labels.zwarn = 4;
    if (kind == 0) spectrum.labels.teff = random.uniform(4000.0, 8000.0);
    const double centre = 100.0 + 300.0 * kind + 400.0 * (z - kind);
    for (int i = 0; i < 1000; ++i) {
        spectrum.wavelength.push_back(kernels::common_grid_wavelength(i));
        const double distance = (i - centre) / 40.0;
        spectrum.flux.push_back(static_cast<float>(
            1.0 + 10.0 * std::exp(-0.5 * distance * distance) + 0.2 * random.normal()));
        spectrum.inverse_variance.push_back(25.0F);
        spectrum.mask.push_back(0);
    }
    return spectrum;
}

inline std::shared_ptr<const data::PackedSet> make_set(const std::string& folder, int count) {
    {
        data::PackWriter writer(folder, {});
        for (int i = 0; i < count; ++i) writer.append(learnable_spectrum(i));
        writer.finish({"set"}, {});
    }
    return std::make_shared<const data::PackedSet>(folder);
}

inline vit::ModelConfig small_configuration() {
    vit::ModelConfig config;
    config.image_size = 32;
    config.patch_size = 8;
    config.width = 24;
    config.layers = 2;
    config.attention_heads = 2;
    config.mlp_width = 48;
    config.image = {{"type", "map2d-norm"}, {"block_size", "1"}, {"grid", "common"}};
    return config;
}

/// Small work on a busy machine is fastest on one thread.
inline Context one_thread() {
    Context context;
    context.threads = 1;
    return context;
}

inline std::vector<std::int64_t> rows_in(const data::PackedSet& set, data::Split split) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        if (set.split(row) == split) rows.push_back(row);
    }
    return rows;
}

/// Everything one run needs, from the same seed each time.
struct SmallRun {
    std::shared_ptr<const data::PackedSet> set;
    RunFolder folder;
    std::unique_ptr<vit::Model> model;
    std::unique_ptr<Trainer> trainer;

    SmallRun(std::shared_ptr<const data::PackedSet> packed, const std::string& path,
             const TrainOptions& options, Observer& observer,
             ExistingRun existing = ExistingRun::refuse, double drop_path = 0.0,
             const std::vector<std::string>& targets = {"class", "z"})
        : set(std::move(packed)), folder(path, existing) {
        const LabelSource labels = [this](std::int64_t row) { return set->labels(row); };
        vit::ModelConfig config = small_configuration();
        config.drop_path = drop_path;
        config.heads = fit_heads(targets, rows_in(*set, data::Split::train), labels);
        model = vit::make_model(config, options.seed, one_thread());
        trainer = std::make_unique<Trainer>(
            *model, set, TargetTable(config.heads, set->size(), labels), options, folder, observer);
    }
};

/// The bits of all parameters.
inline std::vector<std::vector<float>> weights_of(const vit::Model& model) {
    std::vector<std::vector<float>> values;
    for (const auto& [name, tensor] : model.parameters()) {
        values.push_back(tensor.to_vector<float>());
    }
    return values;
}

}  // namespace balmer::train
