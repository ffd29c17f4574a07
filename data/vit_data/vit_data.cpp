// vit-data: makes, describes, checks and draws packed sets of spectra.

#include <CLI/CLI.hpp>

#include "data/program/arguments.h"
#include "data/vit_data/commands.h"

int main(int argc, char** argv) {
    using namespace balmer::data::commands;  // NOLINT(google-build-using-namespace)
    return balmer::program::run_guarded("vit-data", [&] {
        CLI::App app("Makes, describes, checks and draws packed sets of spectra.", "vit-data");
        balmer::program::set_up(app);
        app.require_subcommand(1);
        app.footer(
            "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some inputs were skipped.\n"
            "vit-data COMMAND --help explains the options of a command.");
        const Command commands[] = {simulate_command(app), pack_command(app), info_command(app),
                                    verify_command(app), render_command(app)};
        if (const auto code = balmer::program::parse_arguments(app, argc, argv)) return *code;
        for (const auto& command : commands) {
            if (command.arguments->parsed()) return command.run();
        }
        return static_cast<int>(balmer::program::usage);
    });
}
