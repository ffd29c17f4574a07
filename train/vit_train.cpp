// vit-train: trains a model on a packed set.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>

#include "data/program/arguments.h"
#include "data/program/compute.h"
#include "data/program/image_arguments.h"
#include "data/program/progress.h"
#include "kernels/resample/resample.h"
#include "render/image.h"
#include "train/model_setup.h"
#include "train/trainer.h"
#include "weights/atomic_file.h"
#include "weights/checksum.h"

namespace balmer::train {
namespace {

namespace fs = std::filesystem;
using program::ComputeArguments;

struct Arguments {
    std::string data;
    std::string out;
    std::string task = "class";
    std::string schedule = "linear";
    std::string regression_loss = "huber";
    std::string best_by = "score";
    std::string augment;
    std::string sampling = "uniform";
    std::string image;
    std::string fill_order;
    std::map<std::string, std::string> image_options;
    std::string grid;
    int block_size = 0;
    bool freeze_backbone = false;
    bool resume = false;
    bool overwrite = false;
    ModelSetup model;
    TrainOptions training;
    ComputeArguments compute;
};

std::string image_type_list() {
    std::vector<std::string> names;
    for (const auto& type : render::image_types()) names.emplace_back(type.name);
    return fmt::format("{}", fmt::join(names, ", "));
}

void add_model_options(CLI::App& app, Arguments& arguments) {
    ModelSetup& model = arguments.model;
    app.add_option(
           "--model", model.preset,
           fmt::format("Architecture: {}; may be left out where --pretrained is a directory "
                       "with a config.json (example: --model vit-ti16)",
                       fmt::join(vit::preset_names(), ", ")))
        ->type_name("NAME");
    app.add_option("--pretrained", model.pretrained,
                   "Weights to begin with: a .safetensors file or a model directory, named as "
                   "transformers, timm, DINO or Balmer do (example: --pretrained dino-vitb16)")
        ->type_name("PATH");
    app.add_flag("--new-heads", model.new_heads,
                 "Begin with new heads even where those of --pretrained fit the task");
    app.add_flag("--freeze-backbone", arguments.freeze_backbone, "Train the heads alone");
    app.add_option("--head-layers", model.head_layers,
                   "Linear layers of every head, with ReLU between; 0: those of kept pretrained "
                   "heads, else 1 (example: --head-layers 2)")
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--drop-path", model.drop_path,
                   "Stochastic depth: probability of leaving out a branch of the last block "
                   "(example: --drop-path 0.1)")
        ->type_name("P")
        ->capture_default_str();
    app.add_option("--image-size", model.image_size,
                   "Pixels a side; 0: the model's own (example: --image-size 96)")
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--patch-pixels", model.patch_pixels,
                   "transformer-1d: pixels of the spectrum in one token; 0: the model's own "
                   "(example: --patch-pixels 16)")
        ->type_name("N")
        ->capture_default_str();
    const std::string inherited = " Where it is left out: as --pretrained has it, else ";
    app.add_option("--image", arguments.image,
                   "Image type: " + image_type_list() + "." + inherited +
                       render::ImageOptions{}.type + " (example: --image map2d)")
        ->type_name("TYPE");
    app.add_option("--block-size", arguments.block_size,
                   "Pixels a side of the block that shows one flux value." + inherited +
                       "3 (example: --block-size 3)")
        ->type_name("N");
    app.add_option("--fill-order", arguments.fill_order,
                   "standard, or boustrophedon: every second row of blocks reversed." + inherited +
                       "standard (example: --fill-order boustrophedon)")
        ->type_name("NAME");
    program::add_image_options(app, arguments.image_options, true);
    app.add_option("--grid", arguments.grid,
                   "common: every spectrum on one wavelength grid; native: its own pixels." +
                       inherited + "common (example: --grid native)")
        ->type_name("NAME");
}

void add_training_options(CLI::App& app, Arguments& arguments) {
    TrainOptions& training = arguments.training;
    const auto number = [&](const char* name, auto& value, const std::string& help) {
        app.add_option(name, value, help)->type_name("N")->capture_default_str();
    };
    number("--epochs", training.epochs, "Times every spectrum is seen (example: --epochs 10)");
    number("--batch", training.batch, "Spectra an update (example: --batch 32)");
    number("--micro-batch", training.micro_batch,
           "Spectra computed at a time; smaller needs less memory and gives the same update; 0: "
           "the whole batch (example: --micro-batch 8)");
    number("--max-steps", training.max_steps,
           "Stop after this many updates, the schedule still being that of --epochs; 0: no limit "
           "(example: --max-steps 100)");
    number("--lr", training.learning_rate, "Highest learning rate (example: --lr 3e-4)");
    number("--weight-decay", training.weight_decay,
           "Decoupled weight decay; none on biases, norms and embeddings (example: --weight-decay "
           "0.05)");
    number("--warmup", training.warmup,
           "Linear rise of the learning rate: a fraction of all updates, or their number "
           "(example: --warmup 0.05)");
    app.add_option("--schedule", arguments.schedule,
                   "How the learning rate falls: linear, cosine or none (example: --schedule "
                   "cosine)")
        ->type_name("NAME")
        ->capture_default_str();
    number("--clip", training.clip,
           "Largest norm of the gradient; 0: no limit (example: --clip 1.0)");
    app.add_option("--regression-loss", arguments.regression_loss,
                   "huber (squared below one deviation of the target, linear above) or mse "
                   "(example: --regression-loss mse)")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--loss-weights", training.loss.weights,
                   "Weight of each target's loss, in the order of --task; all 1 where left out "
                   "(example: --loss-weights 1,2)")
        ->type_name("LIST")
        ->delimiter(',');
    app.add_flag("--use-flagged-redshifts", training.labels.use_flagged_redshifts,
                 "Learn and score redshifts that the survey itself flags (zwarn not 0) too");
    number("--ema", training.ema,
           "Decay of the weights' moving average over the updates, which is evaluated and saved in "
           "their place; 0: none (example: --ema 0.99)");
    app.add_option("--best-by", arguments.best_by,
                   "What the best epoch is chosen by on the validation split: score (mean over "
                   "targets of accuracy or R2) or loss (example: --best-by loss)")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--augment", arguments.augment,
                   "Random changes of training spectra, any of: noise (up to N times the pixels' "
                   "deviations), shift (up to N pixels, z moves alike), mask (sky regions, with "
                   "probability N), scale (errors of the flux calibration of deviation N); usual: "
                   "noise=1,shift=8,mask=0.3,scale=0.1 (example: --augment noise,shift=4)")
        ->type_name("LIST");
    app.add_option("--sampling", arguments.sampling,
                   "Which training spectra an epoch has: uniform, each of them once; "
                   "class-balanced, as many in all, drawn so that every class comes equally often "
                   "(example: --sampling class-balanced)")
        ->type_name("NAME")
        ->capture_default_str();
    number("--max-per-class", training.sampling.max_per_class,
           "Use at most N objects of every class and survey, in training and in validation, chosen "
           "by --seed; 0: all (example: --max-per-class 200000)");
    number("--seed", training.seed,
           "Seed of first weights, order, sampling, drop path and augmentation (example: --seed "
           "7)");
    number("--log-every", training.log_every,
           "Updates between lines of metrics.jsonl (example: --log-every 50)");
    number(
        "--checkpoint-every", training.checkpoint_every,
        "Updates between checkpoints; 0: every ten minutes, and at the end of an epoch where the "
        "last one is a minute old "
        "(example: --checkpoint-every 500)");
    number("--strikes", training.strikes,
           "Updates in a row that may be skipped for a loss or gradient that is not finite "
           "(example: --strikes 5)");
}

void add_options(CLI::App& app, Arguments& arguments) {
    app.add_option("--data", arguments.data, "Packed set to learn from (example: --data packed)")
        ->type_name("DIR")
        ->required();
    app.add_option("--out", arguments.out,
                   "Folder of the run: weights, configuration, metrics, checkpoints (example: "
                   "--out runs/first)")
        ->type_name("RUN")
        ->required();
    app.add_option("--task", arguments.task,
                   "What to learn, one or a list of: class, subclass, z, teff, logg, feh (example: "
                   "--task class,z)")
        ->type_name("LIST")
        ->capture_default_str();
    add_model_options(app, arguments);
    add_training_options(app, arguments);
    program::add_compute_options(app, arguments.compute);
    app.add_flag("--resume", arguments.resume,
                 "Continue the run in --out from its newest checkpoint");
    app.add_flag("--overwrite", arguments.overwrite, "Replace the run in --out");
    program::add_config_option(app);
}

/// What the user says about images, under the names of the model's configuration.
std::map<std::string, std::string> image_settings(const Arguments& arguments) {
    std::map<std::string, std::string> values;
    if (!arguments.image.empty()) values["type"] = render::find_image_type(arguments.image).name;
    if (arguments.block_size != 0) values["block_size"] = std::to_string(arguments.block_size);
    if (!arguments.fill_order.empty()) values["fill_order"] = arguments.fill_order;
    for (const auto& [key, value] : arguments.image_options) {
        if (!value.empty()) values[key] = value;
    }
    if (!arguments.grid.empty()) values["grid"] = name_of(grid_named(arguments.grid));
    return values;
}

/// The options that the model's configuration answers where the user does not.
std::map<std::string, std::string> inherited_options(const vit::ModelConfig& config) {
    if (config.architecture != "vit") {
        return {{"grid", config.image.at("grid")},
                {"patch-pixels", std::to_string(config.patch_pixels)}};
    }
    std::map<std::string, std::string> options = {
        {"image-size", std::to_string(config.image_size)}};
    for (const auto& [key, value] : config.image) {
        std::string name = key == "type" ? "image" : key;
        std::replace(name.begin(), name.end(), '_', '-');
        options.try_emplace(name, value);
    }
    return options;
}

/// One value for what the shards hold: a resumed run must find the same.
std::string data_fingerprint(const data::PackedSet& set) {
    std::string checksums;
    for (const auto& shard : set.manifest().shards) checksums += shard.checksum;
    return weights::checksum_of(checksums.data(), checksums.size());
}

std::map<std::string, std::string> run_settings(const Arguments& arguments,
                                                const data::PackedSet& set,
                                                const vit::ModelConfig& config) {
    std::string image;
    for (const auto& [name, value] : config.image) image += name + "=" + value + " ";
    return {{"data", data_fingerprint(set)},
            {"task", arguments.task},
            {"model", fmt::format("{} {}x{} image {} patch {} heads of {} layers",
                                  config.architecture, config.width, config.layers,
                                  config.image_size, config.patch_size, config.head_layers)},
            {"image", image},
            {"drop-path", fmt::format("{}", config.drop_path)},
            {"freeze-backbone", arguments.freeze_backbone ? "yes" : "no"}};
}

/// Progress on stderr, one line an epoch on stdout.
class Console : public Observer {
  public:
    void on_step(const StepReport& report) override {
        progress_.update(report.step, report.total_steps,
                         fmt::format("epoch {}, loss {:.4f}, {:.1f} spectra/s", report.epoch + 1,
                                     report.loss, report.spectra_per_second));
    }
    void on_epoch(const EpochReport& report) override {
        std::string line = fmt::format("epoch {:3}  step {:6}  loss {:.4f}", report.epoch + 1,
                                       report.step, report.training_loss);
        if (!report.metrics.empty()) {
            line += fmt::format("  validation {:.4f}", report.validation_loss);
        }
        for (const auto& [name, value] : report.metrics) {
            line += fmt::format("  {} {:.4f}", name, value);
        }
        line += fmt::format("  {:.1f} spectra/s", report.spectra_per_second);
        if (report.is_best) line += "  *";
        say(line);
    }
    void on_note(const std::string& note) override { say(note); }
    bool should_stop() override { return program::stop_signal() != 0; }

    static void say(const std::string& line) {
        if (isatty(STDERR_FILENO) == 1) fmt::print(stderr, "\r\x1b[K");  // over the progress line
        fmt::print("{}\n", line);
        std::fflush(stdout);
    }

  private:
    program::Progress progress_{"train", "steps", 0};
};

/// Whether a spectrum reaches into the wavelengths where models look.
bool is_in_range(const data::PackedSet& set, std::int64_t row) {
    const auto wavelength = set.wavelength(row);
    const auto pixels = static_cast<std::int64_t>(wavelength.size());
    if (const auto start = set.grid_start(row)) {
        const std::int64_t first = *start;
        return first < kernels::common_grid_pixels && first + pixels > 0;
    }
    return pixels > 0 && wavelength.back() >= kernels::common_grid_wavelength(0) &&
           wavelength.front() <= kernels::common_grid_wavelength(kernels::common_grid_pixels - 1);
}

void say_out_of_range(const data::PackedSet& set) {
    std::int64_t spectra = 0;
    for (std::int64_t row = 0; row < set.size(); ++row) spectra += is_in_range(set, row) ? 0 : 1;
    if (spectra == 0) return;
    Console::say(fmt::format(
        "warning: {} of {} spectra have no pixel within {:.0f} to {:.0f} A and are left out",
        spectra, set.size(), kernels::common_grid_wavelength(0),
        kernels::common_grid_wavelength(kernels::common_grid_pixels - 1)));
}

/// A count for every target and split, so that nobody has to guess what was learnt from.
void say_labels(const data::PackedSet& set, const TargetTable& targets,
                const TrainOptions& options) {
    for (const data::Split split : {data::Split::train, data::Split::validation}) {
        const std::vector<std::int64_t> rows =
            data::rows_of(set, std::array{split}, options.sampling, options.seed);
        std::string line = fmt::format("{}: {} spectra", name_of(split), rows.size());
        for (const auto& [reason, count] : targets.dropped(rows)) {
            line += fmt::format("; {} {} left out", count, reason);
        }
        Console::say(line);
    }
}

/// Warns of spectra that are larger than the image that shows them.
void say_lost_pixels(const data::PackedSet& set, const InputBuilder& input) {
    std::int64_t spectra = 0;
    std::int64_t pixels = 0;
    for (std::int64_t row = 0; row < set.size(); ++row) {
        const auto own = static_cast<std::int64_t>(set.wavelength(row).size());
        const std::int64_t lost = input.lost_pixels(own);
        pixels += lost;
        spectra += lost > 0 ? 1 : 0;
    }
    if (spectra == 0) return;
    Console::say(
        fmt::format("warning: {} of {} spectra have more pixels than the image has places: "
                    "{} pixels are not drawn; a smaller --block-size or a larger "
                    "--image-size shows more",
                    spectra, set.size(), pixels));
}

/// A weight of each row's own is the library's alone: no name on a command line says it.
data::SamplingMode sampling_mode(const std::string& name) {
    if (name == "uniform" || name == "class-balanced") return data::sampling_mode_named(name);
    throw UsageError(fmt::format("--sampling: '{}' is not one of uniform, class-balanced", name));
}

TrainOptions training_options(const Arguments& arguments, std::size_t targets) {
    TrainOptions options = arguments.training;
    options.decay = decay_named(arguments.schedule);
    options.best_by = best_by_named(arguments.best_by);
    options.augment = render::augment_options_from(arguments.augment);
    options.sampling.mode = sampling_mode(arguments.sampling);
    options.precision = program::precision_of(arguments.compute);
    if (arguments.regression_loss != "huber" && arguments.regression_loss != "mse") {
        throw UsageError(fmt::format("--regression-loss: '{}' is not one of huber, mse",
                                     arguments.regression_loss));
    }
    options.loss.huber_delta = arguments.regression_loss == "huber" ? 1.0 : 0.0;
    if (!options.loss.weights.empty() && options.loss.weights.size() != targets) {
        throw UsageError(fmt::format("--loss-weights: {} weights for {} targets",
                                     options.loss.weights.size(), targets));
    }
    for (const double weight : options.loss.weights) {
        if (!std::isfinite(weight) || weight < 0.0) {
            throw UsageError(fmt::format("--loss-weights: {} is no weight", weight));
        }
    }
    validate(options);
    return options;
}

void expect_pretrained_elsewhere(const Arguments& arguments) {
    const std::string& pretrained = arguments.model.pretrained;
    if (pretrained.empty() || !fs::exists(pretrained)) return;
    const fs::path source = fs::weakly_canonical(pretrained);
    const fs::path out = fs::weakly_canonical(arguments.out);
    if (source == out || source.parent_path() == out) {
        throw UsageError("--pretrained lies in --out, which the run writes to");
    }
}

int train(const CLI::App& app, Arguments& arguments) {
    const std::vector<std::string> targets = parse_targets(arguments.task);
    const TrainOptions options = training_options(arguments, targets.size());
    const program::ComputeDevice device(arguments.compute);
    const Context& context = device.context();
    ModelSetup setup = arguments.model;
    setup.seed = options.seed;
    setup.image = image_settings(arguments);
    expect_pretrained_elsewhere(arguments);

    const auto set = std::make_shared<const data::PackedSet>(arguments.data);
    // Nothing is learnt from a spectrum without labels.
    const LabelSource labels = [&](std::int64_t row) {
        return is_in_range(*set, row) ? set->labels(row) : data::Labels{};
    };
    say_out_of_range(*set);
    const std::vector<std::int64_t> training_rows =
        data::rows_of(*set, std::array{data::Split::train}, options.sampling, options.seed);
    setup.heads = fit_heads(targets, training_rows, labels, options.labels);

    if (arguments.compute.device == "auto") Console::say("device: " + name_of(context.device));
    const std::unique_ptr<vit::Model> model = set_up_model(setup, context, Console::say);
    if (arguments.freeze_backbone) model->set_backbone_requires_grad(false);
    Console::say(fmt::format("model: {} parameters", model->parameter_count()));

    TargetTable table(model->config().heads, set->size(), labels, options.labels);
    say_labels(*set, table, options);
    say_lost_pixels(*set, InputBuilder(model->config(), context, options.precision));
    const std::map<std::string, std::string> settings =
        run_settings(arguments, *set, model->config());

    // Last: what is wrong with the options or the data must not cost an older run its files.
    const RunFolder folder(arguments.out, arguments.resume      ? ExistingRun::resume
                                          : arguments.overwrite ? ExistingRun::overwrite
                                                                : ExistingRun::refuse);
    program::catch_stop_signals();
    Console console;
    Trainer trainer(*model, set, std::move(table), options, folder, console, settings);
    if (arguments.resume) trainer.resume();
    weights::write_file_atomically(folder.file("resolved.toml"),
                                   program::resolved_toml(app, inherited_options(model->config())));
    if (trainer.run() == Outcome::stopped) {
        Console::say(fmt::format("stopped by a signal after step {}; --resume continues",
                                 trainer.state().step));
        return program::stop_exit_code();
    }
    Console::say(fmt::format("best weights (epoch {}) are in {}", trainer.state().best_epoch + 1,
                             folder.path()));
    return program::done;
}

}  // namespace
}  // namespace balmer::train

int main(int argc, char** argv) {
    using namespace balmer;
    return program::run_guarded("vit-train", [&] {
        CLI::App app(
            "Trains a vision transformer, or a 1D transformer, on a packed set of spectra.",
            "vit-train");
        train::Arguments arguments;
        train::add_options(app, arguments);
        if (const auto code = program::parse_arguments(app, argc, argv)) return *code;
        return train::train(app, arguments);
    });
}
