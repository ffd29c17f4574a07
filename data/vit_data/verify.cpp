// vit-data verify: is a packed set what its manifest says?

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "data/pack/packed_set.h"
#include "data/program/arguments.h"
#include "data/vit_data/commands.h"

namespace balmer::data::commands {
namespace {

int run(const std::string& folder) {
    const auto problems = verify_packed_set(folder);
    for (const auto& problem : problems) fmt::print(stderr, "vit-data: {}\n", problem);
    if (!problems.empty()) return balmer::program::failed;
    const Manifest manifest = read_manifest(folder);
    fmt::print("{}: sound, {} spectra in {} shards\n", folder, manifest.count,
               manifest.shards.size());
    return balmer::program::done;
}

}  // namespace

Command verify_command(CLI::App& program) {
    auto* command = program.add_subcommand(
        "verify", "Check a packed set: checksums, manifest, offsets, ranges, splits");
    const auto folder = std::make_shared<std::string>();
    command->add_option("dir", *folder, "folder of the packed set")->required()->type_name("DIR");
    balmer::program::add_config_option(*command);
    command->footer(
        "Every fault found is a line on stderr; the exit code is 1 then.\n"
        "Example: vit-data verify packed");
    return {command, [folder] { return run(*folder); }};
}

}  // namespace balmer::data::commands
