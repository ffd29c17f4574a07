// bench_loader: how fast a packed set comes out of the loader, and in how much memory. Nothing
// uses the batches: what is measured is reading, bringing onto the common grid and handing over.
//
//   bench_loader --data packed --batch 64 --seconds 5 --json out.json
//
// The set is read from wherever it is: run it twice, and the second time it is in the page cache.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/device.h"
#include "bench/measure.h"
#include "bench/results.h"
#include "data/pack/loader.h"
#include "kernels/core/error.h"

namespace balmer::bench {

namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
    std::string data;
    std::int64_t batch = 64;
    std::int64_t batches_ahead = 8;
    std::vector<std::int64_t> threads = {1, 2};
    std::vector<std::string> orders = {"sequential", "shuffled", "class-balanced"};
    bool has_native_grid = false;
    double seconds = 5.0;
    std::string json;
};

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Of this process, in MiB, from /proc: "VmHWM" is the peak, "RssAnon" what the program allocated,
/// "RssFile" what it sees of mapped files, which the page cache has anyway.
double memory_of(const std::string& name) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024.0;
    }
    return 0.0;
}

data::LoaderOptions loader_options(const Arguments& arguments, const std::string& order,
                                   std::int64_t threads) {
    data::LoaderOptions options{
        .splits = {data::Split::train, data::Split::validation, data::Split::test},
        .batch_size = arguments.batch,
        .shuffle = order != "sequential",
        .grid = arguments.has_native_grid ? data::Grid::native : data::Grid::common,
        .batches_ahead = arguments.batches_ahead,
        .reader_threads = threads};
    if (order == "class-balanced") options.sampling.mode = data::SamplingMode::class_balanced;
    return options;
}

/// Error unless the loader's first batch is what its rows are, one by one.
void check_first_batch(const data::PackedSet& set, data::Loader& loader, data::Grid grid) {
    const data::Batch batch = loader.next();
    for (std::int64_t b = 0; b < batch.size; ++b) {
        const data::Spectrum spectrum = set.spectrum(batch.rows[static_cast<std::size_t>(b)]);
        const data::BatchItem item = data::batch_item(spectrum);
        data::Batch alone;
        data::assemble({&item, 1}, grid, alone);
        const auto begin = static_cast<std::ptrdiff_t>(b * batch.length);
        if (!std::equal(alone.flux.begin(), alone.flux.end(), batch.flux.begin() + begin) ||
            !std::equal(alone.mask.begin(), alone.mask.end(), batch.mask.begin() + begin) ||
            !std::equal(alone.inverse_variance.begin(), alone.inverse_variance.end(),
                        batch.inverse_variance.begin() + begin)) {
            throw Error(fmt::format("spectrum {} of the first batch is wrong", b));
        }
    }
}

struct Result {
    std::string order;
    std::int64_t threads = 0;
    double start_s = 0.0;  ///< until the loader is made
    Timing batch = {};     ///< seconds a batch, of windows
    double spectra_per_s = 0.0;
    double bytes_per_s = 0.0;  ///< read and written
    double anonymous_mib_before = 0.0;
    double anonymous_mib_after = 0.0;
    std::int64_t spectra = 0;
};

/// Bytes that a batch is made of: flux, inverse variance and mask of its pixels (with wavelengths
/// off the grid), and the same of the batch.
double bytes_of(const data::PackedSet& set, const data::Batch& batch) {
    constexpr double of_pixel = 2.0 * sizeof(float) + 1.0;
    double bytes = 0.0;
    for (const std::int64_t row : batch.rows) {
        const data::Spectrum spectrum = set.spectrum(row);
        const bool is_copied =
            batch.wavelength.empty() && kernels::grid_start(spectrum.wavelength).has_value();
        bytes += static_cast<double>(spectrum.pixels()) *
                 (of_pixel + (is_copied ? 0.0 : sizeof(double)));
    }
    const double written = of_pixel + (batch.wavelength.empty() ? 0.0 : sizeof(double));
    return bytes + static_cast<double>(batch.size * batch.length) * written;
}

Result measure(const std::shared_ptr<const data::PackedSet>& set, const Arguments& arguments,
               const std::string& order, std::int64_t threads) {
    Result result{.order = order, .threads = threads};
    const data::LoaderOptions options = loader_options(arguments, order, threads);
    const auto made = Clock::now();
    data::Loader loader(set, options);
    result.start_s = seconds_since(made);
    check_first_batch(*set, loader, options.grid);

    data::Batch batch;
    loader.next(batch);
    const double bytes = bytes_of(*set, batch) / static_cast<double>(batch.size);
    for (const auto start = Clock::now(); seconds_since(start) < 0.2 * arguments.seconds;) {
        loader.next(batch);
    }
    result.anonymous_mib_before = memory_of("RssAnon");
    constexpr int windows = 30;
    std::vector<double> seconds_a_batch;
    for (int window = 0; window < windows; ++window) {
        const auto start = Clock::now();
        std::int64_t batches = 0;
        double seconds = 0.0;
        while (seconds < arguments.seconds / windows) {
            loader.next(batch);
            result.spectra += batch.size;
            ++batches;
            seconds = seconds_since(start);
        }
        seconds_a_batch.push_back(seconds / static_cast<double>(batches));
    }
    result.anonymous_mib_after = memory_of("RssAnon");
    result.batch = summarise(std::move(seconds_a_batch));
    result.spectra_per_s = static_cast<double>(arguments.batch) / result.batch.median;
    result.bytes_per_s = result.spectra_per_s * bytes;
    return result;
}

void write_result(const Arguments& arguments, const RunFacts& facts, std::int64_t spectra,
                  double open_s, const std::vector<Result>& results) {
    nlohmann::ordered_json json = {{"program", facts.program},
                                   {"device", facts.device.name},
                                   {"commit", facts.commit},
                                   {"date", facts.date},
                                   {"data", arguments.data},
                                   {"spectra", spectra},
                                   {"batch", arguments.batch},
                                   {"grid", arguments.has_native_grid ? "native" : "common"},
                                   {"open_s", open_s},
                                   {"peak_mib", memory_of("VmHWM")},
                                   {"mapped_mib", memory_of("RssFile")},
                                   {"cases", nlohmann::ordered_json::array()}};
    for (const Result& result : results) {
        json["cases"].push_back({{"order", result.order},
                                 {"threads", result.threads},
                                 {"start_s", result.start_s},
                                 {"spectra_per_s", result.spectra_per_s},
                                 {"bytes_per_s", result.bytes_per_s},
                                 {"spread", result.batch.spread()},
                                 {"spectra_read", result.spectra},
                                 {"anonymous_mib_before", result.anonymous_mib_before},
                                 {"anonymous_mib_after", result.anonymous_mib_after}});
    }
    std::ofstream out(arguments.json);
    out << json.dump(1) << '\n';
    out.close();
    if (!out) throw IoError(arguments.json, "cannot be written");
}

int run(const Arguments& arguments) {
    const auto opened = Clock::now();
    const auto set = std::make_shared<const data::PackedSet>(arguments.data);
    const double open_s = seconds_since(opened);
    const RunFacts facts = run_facts("bench_loader", open_device("cpu", 1)->facts(), "");
    fmt::print("{}, {} cores: {} spectra opened in {:.3f} s, {:.1f} MiB\n", facts.device.name,
               std::thread::hardware_concurrency(), set->size(), open_s, memory_of("RssAnon"));
    fmt::print("{:>15} {:>8} {:>10} {:>12} {:>8} {:>8} {:>22}\n", "order", "threads", "start s",
               "spectra/s", "spread", "GB/s", "own MiB before, after");
    std::vector<Result> results;
    for (const std::string& order : arguments.orders) {
        for (const std::int64_t threads : arguments.threads) {
            const Result result = measure(set, arguments, order, threads);
            fmt::print("{:>15} {:>8} {:>10.3f} {:>12.0f} {:>7.1f}% {:>8.2f} {:>12.1f} {:>9.1f}\n",
                       order, threads, result.start_s, result.spectra_per_s,
                       100.0 * result.batch.spread(), 1e-9 * result.bytes_per_s,
                       result.anonymous_mib_before, result.anonymous_mib_after);
            results.push_back(result);
        }
    }
    fmt::print("peak {:.1f} MiB, of mapped files {:.1f} MiB\n", memory_of("VmHWM"),
               memory_of("RssFile"));
    if (!arguments.json.empty()) write_result(arguments, facts, set->size(), open_s, results);
    return 0;
}

}  // namespace

}  // namespace balmer::bench

int main(int argc, char** argv) {
    using namespace balmer;
    bench::Arguments arguments;
    CLI::App app("Measures the loader on a packed set.", "bench_loader");
    app.add_option("--data", arguments.data, "Packed set")->required();
    app.add_option("--batch", arguments.batch, "Spectra a batch")->capture_default_str();
    app.add_option("--ahead", arguments.batches_ahead, "Batches ahead")->capture_default_str();
    app.add_option("--threads", arguments.threads, "Reading threads, one or several numbers")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--orders", arguments.orders, "Any of sequential, shuffled, class-balanced")
        ->delimiter(',')
        ->check(CLI::IsMember({"sequential", "shuffled", "class-balanced"}))
        ->capture_default_str();
    app.add_flag("--native", arguments.has_native_grid, "Spectra on their own grids");
    app.add_option("--seconds", arguments.seconds, "Time of a case")->capture_default_str();
    app.add_option("--json", arguments.json, "File for the results");
    try {
        app.parse(argc, argv);
        return bench::run(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_loader: {}\n", error.what());
        return 1;
    }
}
