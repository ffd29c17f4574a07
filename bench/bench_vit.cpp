// bench_vit: training steps and inference of a whole model on random data, the engine's loop and
// nothing else. What bench/compare_pytorch.py runs beside PyTorch.
//
//   bench_vit --device cuda --model vit-b16 --batch 256 --mode train --json out.json

#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/device.h"
#include "bench/measure.h"
#include "bench/model_loop.h"
#include "bench/operands.h"
#include "bench/results.h"
#include "kernels/core/buffer.h"
#include "kernels/core/error.h"
#include "vit/model.h"

namespace balmer::bench {

namespace {

struct Arguments {
    std::string device = "cuda";
    int threads = 0;
    std::string model = "vit-b16";
    std::string mode = "train";
    std::int64_t batch = 256;
    std::int64_t spectrum_pixels = 4000;
    std::int64_t classes = 1000;
    std::string precision = "bf16";
    bool has_full_last_block = false;
    int warm_up_steps = 5;
    int repetitions = 30;
    std::string json;
    vit::ModelConfig tiny = tiny_model();  ///< sizes of --model tiny
};

Tensor random_tensor(BenchDevice& device, const Shape& shape, DType dtype, std::uint64_t seed,
                     double deviation, double mean = 0.0) {
    Tensor tensor = Tensor::empty(shape, dtype, device.context());
    fill_normal(device, tensor.view(), seed, deviation, mean, dtype);
    return tensor;
}

template <class T>
Tensor tensor_of(BenchDevice& device, const std::vector<T>& values, const Shape& shape) {
    Tensor tensor = Tensor::empty(shape, dtype_of_v<T>, device.context());
    device.copy_from_host(tensor.view().data, values.data(), values.size() * sizeof(T));
    return tensor;
}

vit::ModelInput random_input(BenchDevice& device, const vit::ModelConfig& config,
                             const Arguments& arguments, DType precision) {
    vit::ModelInput input;
    if (config.architecture == "vit") {
        input.pixels = random_tensor(
            device, {arguments.batch, config.channels, config.image_size, config.image_size},
            precision, 1, 1.0);
        return input;
    }
    const std::int64_t pixels = arguments.spectrum_pixels;
    const Shape shape{arguments.batch, pixels};
    input.flux = random_tensor(device, shape, DType::f32, 1, 1.0);
    std::vector<float> wavelength(static_cast<std::size_t>(shape.numel()));
    for (std::size_t i = 0; i < wavelength.size(); ++i) {
        const auto pixel = static_cast<double>(i % static_cast<std::size_t>(pixels));
        wavelength[i] = static_cast<float>(3600.0 * std::pow(10.0, 1e-4 * pixel));
    }
    input.wavelength = tensor_of(device, wavelength, shape);
    input.mask = tensor_of(
        device, std::vector<std::uint8_t>(static_cast<std::size_t>(shape.numel()), 1), shape);
    return input;
}

void write_result(const Arguments& arguments, const RunFacts& facts, const ModelLoop& loop,
                  const Timing& timing, double first_check, double last_check,
                  const MemoryStatistics& memory) {
    const nlohmann::ordered_json json = {
        {"program", facts.program},
        {"device", facts.device.name},
        {"driver", facts.device.driver},
        {"cuda", facts.device.cuda},
        {"commit", facts.commit},
        {"date", facts.date},
        {"mode", arguments.mode},
        {"model", arguments.model},
        {"batch", arguments.batch},
        {"precision", arguments.precision},
        {"parameters", loop.parameters()},
        {"last_block", arguments.has_full_last_block ? "all tokens" : "class token only"},
        {"median_s", timing.median},
        {"low_quartile_s", timing.low},
        {"high_quartile_s", timing.high},
        {"fastest_s", timing.fastest},
        {"repetitions", timing.repetitions},
        {"launched_by", timing.is_graph ? "graph" : "host"},
        {"items_per_s", static_cast<double>(arguments.batch) / timing.median},
        {"first_check", first_check},
        {"last_check", last_check},
        {"peak_bytes", memory.peak},
        {"allocations", memory.allocations}};
    std::ofstream out(arguments.json);
    out << json.dump(1) << '\n';
    out.close();
    if (!out) throw IoError(arguments.json, "cannot be written");
}

int run(const Arguments& arguments) {
    const std::unique_ptr<BenchDevice> device = open_device(arguments.device, arguments.threads);
    const bool trains = arguments.mode == "train";
    const DType precision = arguments.precision == "bf16" ? DType::bf16 : DType::f32;
    const vit::ModelConfig config =
        model_config(arguments.model, arguments.tiny, arguments.classes);
    const vit::ModelInput input = random_input(*device, config, arguments, precision);
    ModelLoop loop(*device, config, precision, arguments.batch);
    if (arguments.has_full_last_block) loop.compute_full_last_block();
    const auto step = [&] { trains ? loop.train(input) : loop.infer(input); };
    step();
    device->synchronize();
    const double first_check = loop.check(*device);
    for (int i = 0; i < arguments.warm_up_steps; ++i) step();
    device->synchronize();
    // A training step waits for its gradient's norm and cannot be captured.
    bool is_graph = false;
    const std::function<void()> repetition =
        trains ? std::function<void()>(step) : device->captured(step, is_graph);
    std::vector<double> seconds;
    for (int i = 0; i < arguments.repetitions; ++i) {
        seconds.push_back(device->seconds_of(repetition));
    }
    const double last_check = loop.check(*device);
    Timing timing = summarise(std::move(seconds));
    timing.is_graph = is_graph;
    fmt::print(
        "{} {} {} batch {} {}: {:.3f} ms ({:.1f}%), {:.1f} a second; check {:.4f} -> {:.4f}\n",
        device->facts().name, arguments.model, arguments.mode, arguments.batch, arguments.precision,
        1e3 * timing.median, 100.0 * timing.spread(),
        static_cast<double>(arguments.batch) / timing.median, first_check, last_check);
    if (!arguments.json.empty()) {
        write_result(arguments, run_facts("bench_vit", device->facts(), ""), loop, timing,
                     first_check, last_check, memory_statistics(device->context().device));
    }
    // A model that learns one batch by heart gets better at it; else the step is not one.
    const bool learns = !trains || last_check < first_check;
    if (!std::isfinite(first_check) || !std::isfinite(last_check) || !learns) {
        fmt::print(stderr, "bench_vit: the {} is not right\n",
                   trains ? "loss of a batch learnt by heart" : "output");
        return 1;
    }
    return 0;
}

}  // namespace

}  // namespace balmer::bench

int main(int argc, char** argv) {
    using namespace balmer;
    bench::Arguments arguments;
    CLI::App app("Times training steps or inference of a whole model on random data.");
    app.add_option("--device", arguments.device, "cuda, cpu or simt")->capture_default_str();
    app.add_option("--threads", arguments.threads, "CPU threads; 0: one a core");
    app.add_option("--model", arguments.model, "A preset (vit-b16, transformer-1d, ...) or tiny")
        ->capture_default_str();
    app.add_option("--mode", arguments.mode)
        ->check(CLI::IsMember({"train", "infer"}))
        ->capture_default_str();
    app.add_option("--batch", arguments.batch)->check(CLI::PositiveNumber)->capture_default_str();
    app.add_option("--classes", arguments.classes)->check(CLI::Range(2, 1'000'000));
    app.add_option("--spectrum-pixels", arguments.spectrum_pixels, "transformer-1d: tokens")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--precision", arguments.precision)
        ->check(CLI::IsMember({"bf16", "f32"}))
        ->capture_default_str();
    app.add_flag("--full-last-block", arguments.has_full_last_block,
                 "Compute all tokens of the last block, not only the class token");
    app.add_option("--warm-up-steps", arguments.warm_up_steps)->capture_default_str();
    app.add_option("--repetitions", arguments.repetitions)
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--image-size", arguments.tiny.image_size, "tiny")->capture_default_str();
    app.add_option("--width", arguments.tiny.width, "tiny")->capture_default_str();
    app.add_option("--layers", arguments.tiny.layers, "tiny")->capture_default_str();
    app.add_option("--json", arguments.json, "Where the result goes as JSON");
    CLI11_PARSE(app, argc, argv);
    try {
        return bench::run(arguments);
    } catch (const UsageError& error) {
        fmt::print(stderr, "bench_vit: {}\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_vit: {}\n", error.what());
        return 1;
    }
}
