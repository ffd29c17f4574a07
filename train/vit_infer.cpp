// vit-infer: what a model says of spectra, and how good that is.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "data/program/arguments.h"
#include "data/program/compute.h"
#include "data/program/progress.h"
#include "tensor/ops.h"
#include "train/evaluation.h"
#include "train/inference.h"
#include "train/model_input.h"
#include "train/spectrum_source.h"
#include "vit/embeddings.h"
#include "vit/model_directory.h"
#include "weights/atomic_file.h"

namespace balmer::train {
namespace {

namespace fs = std::filesystem;

struct Arguments {
    std::string model;
    std::string out;
    std::vector<std::string> input;
    std::string pixels;
    std::string split;
    bool evaluate = false;
    std::string report;
    std::string embeddings;
    std::int64_t batch = 64;
    bool use_flagged_redshifts = false;
    bool overwrite = false;
    program::ComputeArguments compute;
};

void add_options(CLI::App& app, Arguments& arguments) {
    app.add_option("--model", arguments.model,
                   "Run of vit-train or model directory as transformers writes it (example: "
                   "--model runs/first)")
        ->type_name("DIR")
        ->required();
    app.add_option("--input", arguments.input,
                   "Packed set, FITS files or folders of them (example: --input packed)")
        ->type_name("PATH...");
    app.add_option("--pixels", arguments.pixels,
                   "Instead of spectra: a safetensors file with images `pixel_values` f32 [N, 3, "
                   "H, W], normalised; position embeddings are interpolated to another size than "
                   "the model's (example: --pixels images.safetensors)")
        ->type_name("FILE");
    app.add_option("--out", arguments.out,
                   "Table of predictions, .csv or .fits; may be left out with --embeddings or "
                   "--evaluate (example: --out predictions.csv)")
        ->type_name("FILE");
    app.add_option("--split", arguments.split,
                   "Part of a packed set: all, train, validation or test; where it is left out, "
                   "test with --evaluate, else all (example: --split test)")
        ->type_name("NAME");
    app.add_flag("--evaluate", arguments.evaluate,
                 "Compare with the labels of the input: prints the main figures and writes "
                 "metrics.json");
    app.add_option("--report", arguments.report,
                   "Folder for metrics.json; where it is left out, `report` beside --out (example: "
                   "--report runs/first/report)")
        ->type_name("DIR");
    app.add_option("--embeddings", arguments.embeddings,
                   "Write features as safetensors: `cls` [N, C], and with --pixels "
                   "`last_hidden_state` [N, T, C] (example: --embeddings out.safetensors)")
        ->type_name("FILE");
    app.add_option("--batch", arguments.batch, "Spectra computed at a time (example: --batch 16)")
        ->type_name("N")
        ->capture_default_str();
    app.add_flag("--use-flagged-redshifts", arguments.use_flagged_redshifts,
                 "Score redshifts that the survey itself flags (zwarn not 0) too");
    app.add_flag("--overwrite", arguments.overwrite, "Replace outputs that exist");
    program::add_compute_options(app, arguments.compute);
    program::add_config_option(app);
}

bool has_suffix(const std::string& path, const std::string& suffix) {
    return path.size() > suffix.size() && path.ends_with(suffix);
}

/// The path of metrics.json.
std::string metrics_path(const Arguments& arguments) {
    const fs::path folder = !arguments.report.empty()
                                ? fs::path(arguments.report)
                                : fs::path(arguments.out).parent_path() / "report";
    return (folder / "metrics.json").string();
}

void expect_sensible(const Arguments& arguments) {
    if (arguments.input.empty() == arguments.pixels.empty()) {
        throw UsageError("one of --input and --pixels is needed");
    }
    if (arguments.out.empty() && arguments.embeddings.empty() && !arguments.evaluate) {
        throw UsageError("--out is needed, or --embeddings or --evaluate");
    }
    if (!arguments.out.empty() && !has_suffix(arguments.out, ".csv") &&
        !has_suffix(arguments.out, ".fits")) {
        throw UsageError("--out " + arguments.out + ": ends in neither .csv nor .fits");
    }
    if (arguments.evaluate && !arguments.pixels.empty()) {
        throw UsageError("--evaluate: images have no labels; use --input");
    }
    if (!arguments.report.empty() && !arguments.evaluate) {
        throw UsageError("--report needs --evaluate");
    }
    if (arguments.batch < 1) throw UsageError("--batch: must be at least 1");
    for (const std::string& output : {arguments.out, arguments.embeddings}) {
        if (!output.empty()) program::expect_new_output(output, arguments.overwrite);
    }
    if (arguments.evaluate)
        program::expect_new_output(metrics_path(arguments), arguments.overwrite);
}

/// Features of all spectra, in the order of the table; zero for those that could not be used.
class FeatureTable {
  public:
    explicit FeatureTable(std::int64_t width) : width_(static_cast<std::size_t>(width)) {}

    void set(const Tensor& features, std::span<const std::size_t> places) {
        const std::size_t last = *std::max_element(places.begin(), places.end());
        values_.resize(std::max(values_.size(), (last + 1) * width_));
        const std::vector<float> rows = features.to_vector<float>();
        for (std::size_t i = 0; i < places.size(); ++i) {
            std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(i * width_), width_,
                        values_.begin() + static_cast<std::ptrdiff_t>(places[i] * width_));
        }
    }
    /// [rows, width], on the CPU.
    Tensor tensor(std::size_t rows) {
        values_.resize(rows * width_);
        return Tensor::from(values_,
                            {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(width_)});
    }

  private:
    std::size_t width_;
    std::vector<float> values_;
};

/// The work of one call: model, table and features.
class Inference {
  public:
    explicit Inference(const Arguments& arguments)
        : arguments_(arguments),
          precision_(program::precision_of(arguments.compute)),
          device_(arguments.compute),
          model_(vit::load_model(arguments.model, device_.context())),
          input_(model_->config(), model_->context(), precision_),
          uncertainties_(run_uncertainties(arguments.model)),
          features_(model_->config().width) {
        table_.heads = model_->config().heads;
        if (table_.heads.empty() && (!arguments.out.empty() || arguments.evaluate)) {
            throw UsageError(arguments.model +
                             ": the model has no head, so it predicts nothing; --embeddings "
                             "writes its features");
        }
    }

    /// False where a signal stopped it.
    bool run() {
        if (!arguments_.pixels.empty()) return read_pixels();
        const bool is_packed = arguments_.input.size() == 1 &&
                               fs::exists(fs::path(arguments_.input[0]) / data::manifest_name);
        const BatchSink sink = [this](const SourceBatch& batch) {
            if (program::stop_signal() != 0) return false;
            for (const std::int64_t pixels : batch.spectra.lengths) {
                const std::int64_t lost = input_.lost_pixels(pixels);
                lost_pixels_ += lost;
                overfull_spectra_ += lost > 0 ? 1 : 0;
            }
            const Tensor features = model_->features(
                input_.build(batch.spectra, 0, batch.spectra.size), {.precision = precision_});
            finish(features, batch.places);
            return true;
        };
        if (!is_packed) {
            if (!arguments_.split.empty() && arguments_.split != "all") {
                throw UsageError("--split: only a packed set has splits");
            }
            read_files(arguments_.input, input_.options().grid, arguments_.batch, table_, sink);
        } else {
            const data::PackedSet set(arguments_.input[0]);
            const std::vector<std::int64_t> rows = rows_of(set);
            total_ = static_cast<std::int64_t>(rows.size());
            read_packed(set, rows, input_.options().grid, arguments_.batch, table_, sink);
        }
        return program::stop_signal() == 0;
    }

    void write() {
        if (has_suffix(arguments_.out, ".csv")) write_predictions_csv(arguments_.out, table_);
        if (has_suffix(arguments_.out, ".fits")) write_predictions_fits(arguments_.out, table_);
        if (!arguments_.embeddings.empty()) {
            vit::write_embeddings(arguments_.embeddings, features_.tensor(table_.rows.size()),
                                  token_parts_);
        }
        if (arguments_.evaluate) {
            evaluation_ =
                evaluate(table_, {.use_flagged_redshifts = arguments_.use_flagged_redshifts});
            weights::write_file_atomically(metrics_path(arguments_), evaluation_.json);
        }
    }

    /// Tells what was done; the exit code.
    int summarise() const {
        std::map<std::string, std::int64_t> skipped;
        for (const PredictionRow& row : table_.rows) {
            if (row.status != "OK") ++skipped[row.status];
        }
        std::int64_t unusable = 0;
        for (const auto& [status, count] : skipped) unusable += count;
        fmt::print("{} spectra, {} predicted", table_.rows.size(),
                   static_cast<std::int64_t>(table_.rows.size()) - unusable);
        for (const auto& [status, count] : skipped) fmt::print(", {} {}", count, status);
        fmt::print("\n");
        if (overfull_spectra_ > 0) {
            fmt::print(
                "warning: {} spectra have more pixels than the image has places: {} pixels "
                "were not drawn\n",
                overfull_spectra_, lost_pixels_);
        }
        if (arguments_.evaluate) {
            for (const auto& [name, value] : evaluation_.summary) {
                fmt::print("{:20} {:.5f}\n", name, value);
            }
            fmt::print("{}\n", metrics_path(arguments_));
        }
        for (const std::string& path : {arguments_.out, arguments_.embeddings}) {
            if (!path.empty()) fmt::print("{}\n", path);
        }
        return unusable > 0 ? program::partial : program::done;
    }

  private:
    std::vector<std::int64_t> rows_of(const data::PackedSet& set) const {
        std::string split = arguments_.split;
        if (split.empty()) {
            split = arguments_.evaluate ? "test" : "all";
            fmt::print("--split {}\n", split);
        }
        std::vector<std::int64_t> rows;
        const bool is_all = split == "all";
        const data::Split wanted = is_all ? data::Split::test : data::split_named(split);
        for (std::int64_t row = 0; row < set.size(); ++row) {
            if (is_all || set.split(row) == wanted) rows.push_back(row);
        }
        return rows;
    }

    /// Predictions and features of one batch.
    void finish(const Tensor& features, std::span<const std::size_t> places) {
        if (!table_.heads.empty()) {
            std::vector<PredictionRow> rows(places.size());
            decode_outputs(table_.heads, model_->apply_heads(features), uncertainties_, rows);
            for (std::size_t i = 0; i < places.size(); ++i) {
                table_.rows[places[i]].outputs = std::move(rows[i].outputs);
            }
        }
        if (!arguments_.embeddings.empty()) features_.set(features, places);
        done_ += static_cast<std::int64_t>(places.size());
        progress_.update(done_, total_);
    }

    bool read_pixels() {
        const Tensor pixels = vit::read_pixel_values(arguments_.pixels, model_->context());
        total_ = pixels.size(0);
        for (std::int64_t i = 0; i < total_; ++i) {
            PredictionRow row;
            row.file = arguments_.pixels;
            row.row = i;
            table_.rows.push_back(std::move(row));
        }
        const vit::TokenSink sink = [this](std::int64_t first, const Tensor& tokens) {
            if (program::stop_signal() != 0) return false;
            std::vector<std::size_t> places(static_cast<std::size_t>(tokens.size(0)));
            std::iota(places.begin(), places.end(), static_cast<std::size_t>(first));
            finish(contiguous(select(tokens, 1, 0)), places);
            if (!arguments_.embeddings.empty()) token_parts_.push_back(tokens);
            return true;
        };
        try {
            vit::embed_pixels(*model_, pixels, {.batch = arguments_.batch, .precision = precision_},
                              sink);
        } catch (const ShapeError& error) {
            throw UsageError(arguments_.pixels + ": " + error.what());
        }
        return program::stop_signal() == 0;
    }

    const Arguments& arguments_;
    NoGrad no_grad_;
    DType precision_;
    program::ComputeDevice device_;
    std::unique_ptr<vit::Model> model_;
    InputBuilder input_;
    Uncertainties uncertainties_;
    PredictionTable table_;
    FeatureTable features_;
    std::vector<Tensor> token_parts_;  ///< of images, where --embeddings wants them
    Evaluation evaluation_;
    std::int64_t lost_pixels_ = 0;
    std::int64_t overfull_spectra_ = 0;
    std::int64_t done_ = 0;
    std::int64_t total_ = 0;
    program::Progress progress_{"infer", "spectra", 0};
};

int infer(const Arguments& arguments) {
    expect_sensible(arguments);
    program::catch_stop_signals();
    Inference inference(arguments);
    if (!inference.run()) return program::stop_exit_code();
    inference.write();
    return inference.summarise();
}

}  // namespace
}  // namespace balmer::train

int main(int argc, char** argv) {
    using namespace balmer;
    return program::run_guarded("vit-infer", [&] {
        CLI::App app("Predicts classes, redshifts and stellar parameters of spectra.", "vit-infer");
        train::Arguments arguments;
        train::add_options(app, arguments);
        if (const auto code = program::parse_arguments(app, argc, argv)) return *code;
        return train::infer(arguments);
    });
}
