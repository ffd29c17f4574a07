// bench_images: what drawing the images costs within a training step, drawn straight into patch
// rows (as training does) and as images that are cut into patches afterwards.
//
//   bench_images --device cuda --data packed --batch 256 --json out.json

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/device.h"
#include "bench/measure.h"
#include "bench/model_loop.h"
#include "bench/packed_spectra.h"
#include "bench/results.h"
#include "kernels/core/error.h"
#include "render/image.h"
#include "train/model_input.h"

namespace balmer::bench {

namespace {

struct Arguments {
    std::string device = "cuda";
    int threads = 0;
    std::string model = "vit-b16";
    std::string data;
    std::vector<std::string> types = {"simple",     "overlap",     "map2d",
                                      "map2d-norm", "map2d-deriv", "map2d-roi"};
    std::int64_t batch = 256;
    std::string precision = "bf16";
    int repetitions = 20;
    std::string json;
};

std::vector<Tensor> on_device(BenchDevice& device, const std::vector<View>& views) {
    std::vector<Tensor> tensors;
    for (const View& view : views) {
        tensors.emplace_back();
        if (!view) continue;
        tensors.back() = Tensor::empty(view.shape, view.dtype, device.context());
        device.copy_from_host(tensors.back().view().data, view.data,
                              static_cast<std::size_t>(view.numel()) * size_of(view.dtype));
    }
    return tensors;
}

/// Inputs as `way` ("patch_rows", "image") makes them.
train::InputBuilder builder_of(const vit::ModelConfig& config, const Context& context,
                               DType precision, const std::string& way) {
    const char* const forced = std::getenv("BALMER_CHOICE");
    const std::string kept = forced == nullptr ? "" : forced;
    const std::string choice = (kept.empty() ? "" : kept + ",") + "model_input=" + way;
    ::setenv("BALMER_CHOICE", choice.c_str(), 1);
    train::InputBuilder builder(config, context, precision);
    kept.empty() ? ::unsetenv("BALMER_CHOICE") : ::setenv("BALMER_CHOICE", kept.c_str(), 1);
    return builder;
}

struct Row {
    std::string type;
    std::string way;
    Timing draw = {};   ///< of a batch
    Timing train = {};  ///< a step that finds its input drawn
    Timing both = {};

    double share() const { return draw.median / both.median; }
};

class Session {
  public:
    explicit Session(const Arguments& arguments)
        : arguments_(arguments),
          device_(open_device(arguments.device, arguments.threads)),
          precision_(arguments.precision == "bf16" ? DType::bf16 : DType::f32),
          config_(model_config(arguments.model, tiny_model(), /*classes=*/3)),
          batch_(packed_spectra(arguments.data, arguments.batch, data::Grid::common)),
          loop_(*device_, config_, precision_, arguments.batch) {}

    void run() {
        fmt::print("{}, {} batch {} {}; medians\n\n{:<14}{:<12}{:>12}{:>12}{:>12}{:>9}\n",
                   device_->facts().name, arguments_.model, arguments_.batch, arguments_.precision,
                   "type", "drawn as", "draw ms", "train ms", "both ms", "share");
        for (const std::string& type : arguments_.types) {
            for (const char* way : {"patch_rows", "image"}) {
                const Row row = measure(type, way);
                fmt::print("{:<14}{:<12}{:>12.3f}{:>12.3f}{:>12.3f}{:>8.2f}%\n", row.type, row.way,
                           1e3 * row.draw.median, 1e3 * row.train.median, 1e3 * row.both.median,
                           100.0 * row.share());
                std::fflush(stdout);
                rows_.push_back(row);
                if (!arguments_.json.empty()) save();
            }
        }
    }

  private:
    Row measure(const std::string& type, const std::string& way) {
        config_.image["type"] = type;
        const train::InputBuilder builder =
            builder_of(config_, device_->context(), precision_, way);
        const train::InputBuilder::Arrays host = builder.arrays(batch_);
        const std::vector<Tensor> arrays = on_device(*device_, host.views);
        vit::ModelInput input = builder.build(arrays, 0, arguments_.batch);
        Row row{.type = type, .way = way};
        row.draw = timing_of([&] { input = builder.build(arrays, 0, arguments_.batch); });
        row.train = timing_of([&] { loop_.train(input); });
        row.both = timing_of([&] { loop_.train(builder.build(arrays, 0, arguments_.batch)); });
        return row;
    }

    Timing timing_of(const std::function<void()>& work) {
        work();
        work();
        std::vector<double> seconds;
        for (int i = 0; i < arguments_.repetitions; ++i) {
            seconds.push_back(device_->seconds_of(work));
        }
        return summarise(std::move(seconds));
    }

    void save() const {
        const RunFacts facts = run_facts("bench_images", device_->facts(), "");
        nlohmann::ordered_json json = {
            {"program", facts.program},         {"device", facts.device.name},
            {"driver", facts.device.driver},    {"cuda", facts.device.cuda},
            {"commit", facts.commit},           {"date", facts.date},
            {"model", arguments_.model},        {"batch", arguments_.batch},
            {"precision", arguments_.precision}};
        for (const Row& row : rows_) {
            json["rows"].push_back({{"type", row.type},
                                    {"drawn_as", row.way},
                                    {"draw_s", row.draw.median},
                                    {"train_s", row.train.median},
                                    {"both_s", row.both.median},
                                    {"share", row.share()}});
        }
        std::ofstream out(arguments_.json);
        out << json.dump(1) << '\n';
        out.close();
        if (!out) throw IoError(arguments_.json, "cannot be written");
    }

    const Arguments& arguments_;
    std::unique_ptr<BenchDevice> device_;
    DType precision_;
    vit::ModelConfig config_;
    data::Batch batch_;
    ModelLoop loop_;
    std::vector<Row> rows_;
};

}  // namespace

}  // namespace balmer::bench

int main(int argc, char** argv) {
    using namespace balmer;
    bench::Arguments arguments;
    CLI::App app("Times the drawing of images beside the training step that uses them.");
    app.add_option("--data", arguments.data, "A packed set")
        ->required()
        ->check(CLI::ExistingDirectory);
    app.add_option("--device", arguments.device, "cuda, cpu or simt")->capture_default_str();
    app.add_option("--threads", arguments.threads, "CPU threads; 0: one a core");
    app.add_option("--model", arguments.model,
                   "A vision transformer's preset (vit-b16, ...) or tiny")
        ->capture_default_str();
    app.add_option("--types", arguments.types, "Image types")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--batch", arguments.batch)->check(CLI::PositiveNumber)->capture_default_str();
    app.add_option("--precision", arguments.precision)
        ->check(CLI::IsMember({"bf16", "f32"}))
        ->capture_default_str();
    app.add_option("--repetitions", arguments.repetitions)
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--json", arguments.json, "Where the result goes as JSON");
    CLI11_PARSE(app, argc, argv);
    try {
        bench::Session(arguments).run();
        return 0;
    } catch (const UsageError& error) {
        fmt::print(stderr, "bench_images: {}\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_images: {}\n", error.what());
        return 1;
    }
}
