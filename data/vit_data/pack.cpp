// vit-data pack: FITS files to a packed set.

#include "data/pack/pack_spectra.h"
#include "data/pack/packed_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>

#include "data/program/arguments.h"
#include "data/program/progress.h"
#include "data/vit_data/catalogue_arguments.h"
#include "data/vit_data/commands.h"
#include "kernels/core/error.h"
#include "weights/atomic_file.h"

namespace balmer::data::commands {
namespace {

using namespace balmer::program;  // NOLINT(google-build-using-namespace)

struct Arguments {
    std::vector<std::string> paths;
    SelectionOptions selection;
    std::string out;
    std::string wavelength_medium = "file";
    std::string wavelength_unit = "file";
    std::vector<int> split = {60, 20, 20};  ///< percent of train, validation and test
    std::string store = name_of(PixelStore::f32);
    std::int64_t file_mebibytes = 2048;
    std::int64_t size_mebibytes = 512;
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

/// The command line of this process, its arguments quoted where a shell asks for it.
std::string command_line() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    std::string line;
    for (std::string argument; std::getline(file, argument, '\0');) {
        const bool is_plain =
            !argument.empty() &&
            argument.find_first_of(" \t\n\"'$\\`*?[]{}()<>|&;#~!") == std::string::npos;
        std::string quoted = "'";
        for (const char c : argument)
            quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
        line += (line.empty() ? "" : " ") + (is_plain ? argument : quoted + "'");
    }
    return line;
}

void print_estimate(const std::string& folder, const SizeEstimate& estimate) {
    fmt::print("{}: about {} to be, {} free (from {} of {} files)\n", folder,
               bytes_text(estimate.bytes), bytes_text(estimate.free_bytes), estimate.sampled_files,
               estimate.files);
    std::fflush(stdout);
}

/// FAULTS 23: packed, unless --strict.
void say_checksum_faults(const std::string& folder) {
    const PackedSet set(folder);
    std::int64_t count = 0;
    for (const Shard& shard : set.shards()) {
        for (const std::uint32_t flags : shard.columns().flags) {
            count += (flags & checksum_mismatch) != 0 ? 1 : 0;
        }
    }
    if (count == 0) return;
    fmt::print(stderr,
               "vit-data: {} spectra are of files whose checksums disagree with their bytes; "
               "--strict leaves them out\n",
               count);
}

int run(const CLI::App& command, const Arguments& arguments) {
    PackOptions options = arguments.options;
    options.write.store = pixel_store_named(arguments.store);
    options.workers.file_memory = arguments.file_mebibytes * (std::int64_t{1} << 20);
    options.read.byte_limit = arguments.size_mebibytes * (std::int64_t{1} << 20);
    options.command = command_line();
    options.estimated = [&](const SizeEstimate& estimate) {
        print_estimate(arguments.out, estimate);
    };
    options.read.wavelength = {wavelength_medium(arguments.wavelength_medium),
                               wavelength_unit(arguments.wavelength_unit)};
    options.write.split = split_options(arguments.split, options.write.split.seed);
    std::vector<std::string> paths = arguments.paths;
    use_catalogues(arguments.selection, paths, options);
    catch_stop_signals();
    Manifest manifest;
    try {
        Progress line("packing", "files", 0);
        manifest = pack_spectra(paths, arguments.out, options, [&](const PackStatus& status) {
            line.update(status.files, status.total_files, skipped_text(status.skipped));
            return stop_signal() == 0;
        });
    } catch (const PackStopped& stopped) {
        fmt::print(stderr, "vit-data: {}\n", stopped.what());
        return stop_exit_code();
    }
    weights::write_file_atomically(arguments.out + "/resolved.toml", resolved_toml(command));
    print_summary(arguments.out, manifest);
    say_checksum_faults(arguments.out);
    return is_partial(manifest.skipped) ? partial : done;
}

}  // namespace

Command pack_command(CLI::App& program) {
    auto* command = program.add_subcommand(
        "pack", "Read FITS spectra into a packed set: safetensors shards and a manifest");
    const auto arguments = std::make_shared<Arguments>();
    auto& options = arguments->options;
    std::vector<std::string> surveys = {"auto"};
    for (const auto& reader : spectrum_readers()) {
        if (surveys.back() != reader.survey) surveys.emplace_back(reader.survey);
    }

    command
        ->add_option(
            "paths", arguments->paths,
            "FITS, HDF5 or text files of spectra, or folders that are searched for *.fits, "
            "*.fit, *.hdf5, *.h5, for *.csv, *.tsv, *.txt and *.dat that begin like a "
            "spectrum, and for their .gz (default: what the catalogues name)")
        ->type_name("PATH")
        ->default_str("");
    add_catalogue_options(*command, arguments->selection);
    command->add_option("--out", arguments->out, "folder of the packed set (example: --out packed)")
        ->required()
        ->type_name("DIR");
    command
        ->add_option("--survey", options.read.survey,
                     "layout of the files; auto finds it in each file (example: --survey sdss)")
        ->check(CLI::IsMember(surveys));
    command
        ->add_option("--wavelength-medium", arguments->wavelength_medium,
                     "of files of no known survey that do not say it themselves (example: "
                     "--wavelength-medium air)")
        ->check(CLI::IsMember({"file", "air", "vacuum"}));
    command
        ->add_option("--wavelength-unit", arguments->wavelength_unit,
                     "likewise (example: --wavelength-unit nm)")
        ->check(CLI::IsMember({"file", "angstrom", "nm", "um"}));
    command->add_flag(
        "--strict", options.read.strict,
        "reject what is kept with a flag otherwise: pixels with fibre-level mask bits, files "
        "whose checksums disagree with their bytes "
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
        ->add_option("--file-memory", arguments->file_mebibytes,
                     "skip files that need more memory to be read, in MiB (example: --file-memory "
                     "8000)")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
    command
        ->add_option("--file-size", arguments->size_mebibytes,
                     "skip files that are larger, also when inflated, in MiB (example: --file-size "
                     "4000)")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
    command
        ->add_option("--store", arguments->store,
                     "how flux is stored: f32 (bit for bit), f16 (11 bits, scaled by a power of "
                     "two for each spectrum) or bf16 (8 bits); the last two store inverse variance "
                     "as bf16, wavelength and mask stay, 13 bytes a pixel instead of 17 (example: "
                     "--store f16)")
        ->check(CLI::IsMember({"f32", "f16", "bf16"}));
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
        ->allow_extra_args(false)
        ->type_name("A,B,C");
    command->add_flag("--overwrite", options.write.overwrite,
                      "replace the packed set that is in DIR (default: off; example: --overwrite)");
    command->add_flag("--resume", options.write.resume,
                      "go on with a packing that was stopped or killed: the same command, the same "
                      "set in the end (default: off; example: --resume)");
    command->add_flag("--ignore-free-space", options.ignore_free_space,
                      "begin even if the set is estimated not to fit on the disk (default: off; "
                      "example: --ignore-free-space)");
    add_config_option(*command);
    command->footer(
        "What cannot be read is listed with its reason in DIR/skipped.csv; the exit code is 3 "
        "then (what --catalog, --select and --where leave out is listed too, and does not "
        "count).\n"
        "Example: vit-data pack --out packed spectra/sdss spectra/lamost\n"
        "         vit-data pack --out packed --catalog specObj.fits --root sas --select "
        "paper-sdss");
    return {command, [command, arguments] { return run(*command, *arguments); }};
}

}  // namespace balmer::data::commands
