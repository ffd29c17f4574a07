// vit-data simulate: spectra of stars, galaxies and quasars as a survey's own files.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "data/program/arguments.h"
#include "data/program/progress.h"
#include "data/simulate/survey_files.h"
#include "data/vit_data/commands.h"
#include "weights/atomic_file.h"

namespace balmer::data::commands {
namespace {

using namespace balmer::program;  // NOLINT(google-build-using-namespace)

struct Arguments {
    std::string out;
    SimulationOptions options;
};

/// Thrown out of the simulation when a signal came.
struct Stopped {
    std::int64_t done;
};

int run(const CLI::App& command, const Arguments& arguments) {
    catch_stop_signals();
    try {
        Progress line("simulating", "spectra", arguments.options.count);
        simulate_survey(arguments.out, arguments.options,
                        [&](std::int64_t finished, std::int64_t total) {
                            line.update(finished, total);
                            if (stop_signal() != 0) throw Stopped{finished};
                        });
    } catch (const Stopped& stopped) {
        fmt::print(stderr, "vit-data: {}: stopped after {} of {} spectra, without a catalogue\n",
                   arguments.out, stopped.done, arguments.options.count);
        return stop_exit_code();
    }
    weights::write_file_atomically(arguments.out + "/resolved.toml", resolved_toml(command));
    fmt::print("{}: {} spectra in the layout of {}, listed in {}/catalog.csv\n", arguments.out,
               arguments.options.count, arguments.options.survey, arguments.out);
    return done;
}

}  // namespace

Command simulate_command(CLI::App& program) {
    auto* command = program.add_subcommand(
        "simulate", "Simulate spectra with labels, as FITS files in a survey's own layout");
    const auto arguments = std::make_shared<Arguments>();
    auto& options = arguments->options;
    command
        ->add_option("--out", arguments->out,
                     "folder for the FITS files and catalog.csv (example: --out simulated)")
        ->required()
        ->type_name("DIR");
    command->add_option("--count", options.count, "number of spectra (example: --count 3000)")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000'000}));
    command
        ->add_option("--seed", options.seed,
                     "seed; spectrum i depends on it and on i alone (example: --seed 7)")
        ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
    command
        ->add_option("--survey", options.survey,
                     "survey whose instrument and files are imitated (example: --survey lamost)")
        ->check(CLI::IsMember({"sdss", "lamost", "desi"}));
    command
        ->add_option("--classes", options.classes,
                     "classes, drawn equally, with commas between (example: --classes STAR,QSO)")
        ->delimiter(',')
        ->expected(1, 3)
        ->check(CLI::IsMember({"STAR", "GALAXY", "QSO"}));
    command
        ->add_option("--repeats", options.repeat_share,
                     "share of spectra that observe an earlier object again "
                     "(example: --repeats 0.1)")
        ->check(CLI::Range(0.0, 1.0));
    command
        ->add_option("--threads", options.threads,
                     "threads, 0 for one a core; the spectra do not depend on it "
                     "(example: --threads 2)")
        ->check(CLI::Range(0, 1024));
    command->add_flag("--overwrite", options.overwrite,
                      "write into a folder that is not empty (default: off; example: --overwrite)");
    add_config_option(*command);
    command->footer("Example: vit-data simulate --out simulated --count 3000 --seed 1");
    return {command, [command, arguments] { return run(*command, *arguments); }};
}

}  // namespace balmer::data::commands
