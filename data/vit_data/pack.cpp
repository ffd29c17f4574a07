// vit-data pack: FITS files to a packed set.

#include "data/pack/pack_spectra.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>

#include "data/program/arguments.h"
#include "data/program/progress.h"
#include "data/vit_data/commands.h"
#include "kernels/core/error.h"
#include "weights/atomic_file.h"

namespace balmer::data::commands {
namespace {

using namespace balmer::program;  // NOLINT(google-build-using-namespace)

struct Arguments {
    std::vector<std::string> paths;
    std::string out;
    std::vector<int> split = {60, 20, 20};  ///< percent of train, validation and test
    PackOptions options;
};

/// UsageError unless the three shares make the whole and there is something to learn from.
SplitOptions split_options(const std::vector<int>& percent, std::uint64_t seed) {
    const bool is_whole = std::accumulate(percent.begin(), percent.end(), 0) == 100;
    const bool is_share = std::all_of(percent.begin(), percent.end(), [](int p) { return p >= 0; });
    if (!is_whole || !is_share || percent[0] == 0) {
        throw UsageError(
            fmt::format("--split {}: expected the percent of train, validation and "
                        "test, 100 together, such as 60,20,20",
                        fmt::join(percent, ",")));
    }
    return {.train = percent[0] / 100.0, .validation = percent[1] / 100.0, .seed = seed};
}

void print_summary(const std::string& folder, const Manifest& manifest) {
    const auto& splits = manifest.summary.split_counts;
    fmt::print("{}: {} spectra of {} objects (train {}, validation {}, test {}), {} skipped\n",
               folder, manifest.count, manifest.objects, splits[0], splits[1], splits[2],
               manifest.skipped_count());
    for (const auto& [reason, number] : manifest.skipped) {
        fmt::print("  skipped {} {}\n", number, reason);
    }
    if (!manifest.skipped.empty()) fmt::print("  listed in {}/{}\n", folder, skipped_name);
}

/// "skipped 3 TRUNCATED, 1 NOT_FITS"; empty if nothing is.
std::string skipped_text(const std::map<std::string, std::int64_t>& skipped) {
    std::string text;
    for (const auto& [reason, number] : skipped) {
        text += fmt::format("{}{} {}", text.empty() ? "skipped " : ", ", number, reason);
    }
    return text;
}

int run(const CLI::App& command, const Arguments& arguments) {
    PackOptions options = arguments.options;
    options.write.split = split_options(arguments.split, options.write.split.seed);
    catch_stop_signals();
    Manifest manifest;
    try {
        Progress line("packing", "files", 0);
        manifest =
            pack_spectra(arguments.paths, arguments.out, options, [&](const PackStatus& status) {
                line.update(status.files, status.total_files, skipped_text(status.skipped));
                return stop_signal() == 0;
            });
    } catch (const PackStopped& stopped) {
        fmt::print(stderr, "vit-data: {}\n", stopped.what());
        return stop_exit_code();
    }
    weights::write_file_atomically(arguments.out + "/resolved.toml", resolved_toml(command));
    print_summary(arguments.out, manifest);
    return manifest.skipped.empty() ? done : partial;
}

}  // namespace

Command pack_command(CLI::App& program) {
    auto* command = program.add_subcommand(
        "pack", "Read FITS spectra into a packed set: safetensors shards and a manifest");
    const auto arguments = std::make_shared<Arguments>();
    auto& options = arguments->options;
    std::vector<std::string> surveys = {"auto"};
    for (const auto& reader : spectrum_readers()) surveys.push_back(reader.survey);

    command
        ->add_option("paths", arguments->paths,
                     "FITS files, or folders that are searched for *.fits, *.fit and their .gz")
        ->required()
        ->type_name("PATH")
        ->default_str("");
    command->add_option("--out", arguments->out, "folder of the packed set (example: --out packed)")
        ->required()
        ->type_name("DIR");
    command
        ->add_option("--survey", options.read.survey,
                     "layout of the files; auto finds it in each file (example: --survey sdss)")
        ->check(CLI::IsMember(surveys));
    command->add_flag(
        "--strict", options.read.strict,
        "reject what is kept with a flag otherwise: pixels with fibre-level mask bits "
        "(default: off; example: --strict)");
    command->add_flag("--allow-compressed", options.read.allow_compressed,
                      "read tile-compressed files too (default: off; example: --allow-compressed)");
    command
        ->add_option("--min-pixels", options.read.minimum_good_pixels,
                     "skip spectra with fewer good pixels (example: --min-pixels 100)")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000}));
    command
        ->add_option("--workers", options.workers.workers,
                     "processes that read files, 0 for one a core; the set does not depend on it "
                     "(example: --workers 8)")
        ->check(CLI::Range(0, 4096));
    command
        ->add_option("--file-seconds", options.workers.file_seconds,
                     "skip files that take longer to read (example: --file-seconds 300)")
        ->check(CLI::Range(0.001, 1e6));
    command
        ->add_option("--shard-size", options.write.spectra_per_shard,
                     "spectra in a shard (example: --shard-size 1000)")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
    command
        ->add_option("--split-seed", options.write.split.seed,
                     "seed of the split by object (example: --split-seed 7)")
        ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
    command
        ->add_option("--split", arguments->split,
                     "percent of objects for training, validation and test (example: --split "
                     "60,10,30)")
        ->delimiter(',')
        ->expected(3)
        ->type_name("A,B,C");
    command->add_flag("--overwrite", options.write.overwrite,
                      "replace the packed set that is in DIR (default: off; example: --overwrite)");
    add_config_option(*command);
    command->footer(
        "What cannot be read is listed with its reason in DIR/skipped.csv; the exit code is 3 "
        "then.\n"
        "Example: vit-data pack --out packed spectra/sdss spectra/lamost");
    return {command, [command, arguments] { return run(*command, *arguments); }};
}

}  // namespace balmer::data::commands
