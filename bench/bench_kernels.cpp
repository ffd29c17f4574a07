// bench_kernels: every kernel of the transformer beside cuDNN's and beside what the machine can do.
//
//   bench_kernels --device cuda --json bench/results/h200.json
//   bench_kernels --device cpu --models tiny --benchmark_filter='attention.*'

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "bench/ceilings.h"
#include "bench/results.h"
#include "bench/runner.h"
#include "kernels/core/error.h"

namespace balmer::bench {

namespace {

std::vector<BenchCase> all_cases(const Workload& workload) {
    std::vector<BenchCase> cases;
    for (auto* room : {attention_cases, layer_norm_cases, gelu_cases, patch_embed_cases, gemm_cases,
                       adamw_cases, loss_cases, reduce_cases, elementwise_cases, render_cases}) {
        std::vector<BenchCase> more = room(workload);
        std::move(more.begin(), more.end(), std::back_inserter(cases));
    }
    return cases;
}

struct Arguments {
    std::string device = "cuda";
    int threads = 0;
    std::vector<std::string> models = {"vit-b16", "transformer-1d"};
    std::vector<std::int64_t> batches;
    std::string dtype = "bf16";
    std::string spectra;
    bool without_peer = false;
    bool without_ceilings = false;
    std::string json;
    RunOptions run;
};

Workload workload_of(const std::string& model, const Arguments& arguments) {
    Workload w;
    w.model = model;
    if (model == "vit-b16") {
        w.image_size = 224;
        w.spectrum_pixels = 4691;
        w.batches = {64, 256, 512};
    } else if (model == "transformer-1d") {
        w.tokens = 4000;
        w.heads = 8;
        w.width = 512;
        w.mlp_width = 2048;
        w.layers = 6;
        w.batches = {16};
    } else if (model == "tiny") {
        w.tokens = 17;
        w.heads = 2;
        w.width = 128;
        w.mlp_width = 256;
        w.layers = 1;
        w.image_size = 64;
        w.spectrum_pixels = 333;
        w.batches = {2};
    } else {
        throw UsageError("--models " + model + ": vit-b16, transformer-1d or tiny");
    }
    if (arguments.device != "cuda" && model != "tiny") w.batches = {1};
    if (!arguments.batches.empty()) w.batches = arguments.batches;
    if (arguments.dtype != "bf16" && arguments.dtype != "f32") {
        throw UsageError("--dtype " + arguments.dtype + ": bf16 or f32");
    }
    w.spectra = arguments.spectra;
    w.dtype = arguments.dtype == "f32" ? DType::f32 : DType::bf16;
    return w;
}

/// Google Benchmark's own output is replaced by the table.
class SilentReporter : public benchmark::BenchmarkReporter {
  public:
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>&) override {}
};

class Session {
  public:
    Session(const Arguments& arguments, const std::vector<Workload>& workloads)
        : arguments_(arguments),
          workloads_(workloads),
          device_(open_device(arguments.device, arguments.threads)) {
        if (arguments.without_peer || arguments.device != "cuda") {
            peer_name_ = "not asked for";
        } else {
            try {
                peers_ = std::make_unique<Peers>(*device_);
                peer_name_ = peers_->name();
            } catch (const DeviceError& error) {
                peer_name_ = error.what();
            }
        }
        facts_ = run_facts("bench_kernels", device_->facts(), peer_name_);
    }

    void print_facts() const {
        fmt::print("{}; driver {}; CUDA {}; peer: {}; commit {}; {}\n\n", facts_.device.name,
                   facts_.device.driver, facts_.device.cuda, facts_.peer, facts_.commit,
                   facts_.date);
    }

    void measure_ceilings() {
        const std::size_t bytes = std::max<std::size_t>(8 * facts_.device.cache_bytes, 64U << 20);
        const Timing copy = copy_timing(*device_, bytes, arguments_.run.repetitions);
        ceilings_.bytes_per_second = 2.0 * static_cast<double>(bytes) / copy.median;
        fmt::print("copy of {} MiB: {:.1f} GB/s read and written\n\n{}\n", bytes >> 20,
                   ceilings_.bytes_per_second * 1e-9, table_header());
        double best = 0.0;
        const Workload& workload = workloads_.front();
        for (BenchCase& bench_case : ceiling_cases(workload, largest_batch(workload))) {
            bench_case.name = "ceiling_" + bench_case.name;
            run(bench_case, [&](PreparedCase& prepared) {
                for (int i = 0; i < arguments_.run.repetitions; ++i) prepared.repeat();
            });
            const Row& row = rows_.back();
            if (row.failure.empty()) best = std::max(best, row.flops_per_second());
        }
        ceilings_.flops_per_second = best;
        fmt::print("fastest product: {:.2f} TFLOP/s\n\n", best * 1e-12);
    }

    void measure_cases() {
        std::vector<BenchCase> cases;
        for (const Workload& workload : workloads_) {
            std::vector<BenchCase> more = all_cases(workload);
            std::move(more.begin(), more.end(), std::back_inserter(cases));
        }
        for (const BenchCase& bench_case : cases) {
            benchmark::RegisterBenchmark(
                bench_case.full_name().c_str(),
                [this, &bench_case](benchmark::State& state) { run_benchmark(state, bench_case); })
                ->UseManualTime()
                ->Iterations(arguments_.run.repetitions);
        }
        fmt::print("{}\n", table_header());
        SilentReporter reporter;
        benchmark::RunSpecifiedBenchmarks(&reporter);
    }

    int finish() const {
        const auto failed = std::count_if(rows_.begin(), rows_.end(),
                                          [](const Row& row) { return !row.failure.empty(); });
        fmt::print("\n{} cases, {} failed\n", rows_.size(), failed);
        save();
        return failed == 0 && !rows_.empty() ? 0 : 1;
    }

  private:
    static std::int64_t largest_batch(const Workload& workload) {
        return *std::max_element(workload.batches.begin(), workload.batches.end());
    }

    void run_benchmark(benchmark::State& state, const BenchCase& bench_case) {
        run(bench_case, [&](PreparedCase& prepared) {
            for (auto _ : state) state.SetIterationTime(prepared.repeat());
        });
        if (!rows_.back().failure.empty()) state.SkipWithError(rows_.back().failure.c_str());
    }

    template <class Repeat>
    void run(const BenchCase& bench_case, const Repeat& repeat) {
        Row row{.name = bench_case.name,
                .model = bench_case.model,
                .shape = bench_case.shape,
                .batch = bench_case.batch,
                .dtype = bench_case.dtype,
                .work = bench_case.work,
                .own = {},
                .peer = {},
                .peer_name = {},
                .peer_note = {},
                .failure = {}};
        try {
            PreparedCase prepared(*device_, peers_.get(), bench_case, arguments_.run);
            repeat(prepared);
            row = prepared.row();
        } catch (const Error& error) {
            row.failure = error.what();
        }
        fmt::print("{}\n", table_line(row, ceilings_));
        std::fflush(stdout);
        rows_.push_back(std::move(row));
        save();
    }

    /// After every row, so that a run that is cut short has left what it found.
    void save() const {
        if (!arguments_.json.empty()) write_json(arguments_.json, facts_, ceilings_, rows_);
    }

    const Arguments& arguments_;
    std::vector<Workload> workloads_;
    std::unique_ptr<BenchDevice> device_;
    std::unique_ptr<Peers> peers_;
    std::string peer_name_;
    RunFacts facts_;
    Ceilings ceilings_;
    std::vector<Row> rows_;
};

int run_session(const Arguments& arguments) {
    std::vector<Workload> workloads;
    for (const std::string& model : arguments.models) {
        workloads.push_back(workload_of(model, arguments));
    }
    Session session(arguments, workloads);
    session.print_facts();
    if (!arguments.without_ceilings) session.measure_ceilings();
    session.measure_cases();
    return session.finish();
}

}  // namespace

}  // namespace balmer::bench

int main(int argc, char** argv) {
    using namespace balmer;
    benchmark::Initialize(&argc, argv);
    bench::Arguments arguments;
    CLI::App app(
        "Times Balmer's kernels beside cuDNN's and the machine's ceilings.\n"
        "--benchmark_filter=REGEX chooses cases (attention_forward/vit-b16/256/bf16).");
    app.add_option("--device", arguments.device, "cuda, cpu or simt (right or wrong only)")
        ->capture_default_str();
    app.add_option("--threads", arguments.threads, "CPU threads; 0: one a core");
    app.add_option("--models", arguments.models, "vit-b16, transformer-1d, tiny")->delimiter(',');
    app.add_option("--batches", arguments.batches, "Batch sizes in place of the models' own")
        ->delimiter(',')
        ->check(CLI::PositiveNumber);
    app.add_option("--dtype", arguments.dtype, "bf16 or f32")->capture_default_str();
    app.add_option("--spectra", arguments.spectra,
                   "A packed set whose spectra are drawn on their own grids; else random ones")
        ->check(CLI::ExistingDirectory);
    app.add_option("--repetitions", arguments.run.repetitions, "Repetitions of every case")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--warm-up", arguments.run.warm_up, "Seconds of warm-up of every case")
        ->capture_default_str();
    app.add_flag("--no-peer", arguments.without_peer, "Leave cuDNN out");
    app.add_flag("--no-ceilings", arguments.without_ceilings, "Do not measure the ceilings");
    app.add_option("--json", arguments.json, "Where the results go as JSON");
    CLI11_PARSE(app, argc, argv);
    try {
        return bench::run_session(arguments);
    } catch (const UsageError& error) {
        fmt::print(stderr, "bench_kernels: {}\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_kernels: {}\n", error.what());
        return 1;
    }
}
