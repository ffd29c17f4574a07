#pragma once
// What the programs share: options from the command line and a TOML file, and one way to fail.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace balmer::program {

/// Exit codes of every program (FAULTS); 130 and 143 mean stopped by a signal.
enum ExitCode : int { done = 0, failed = 1, usage = 2, partial = 3 };

/// Names the program's version, adds `--version`, and makes `--help` show every default.
void set_up(CLI::App& app);

/// Adds `--config FILE` (TOML) to a command that parse_arguments() is to read.
void add_config_option(CLI::App& command);

/// Parses the command line into `app`. Every option of the command can also stand in the TOML file
/// that `--config` names, under its long name ('-' and '_' alike) at the top level or in a table
/// called like the command; the command line wins. Unknown options and keys are errors that suggest
/// the nearest name. Empty if the program should go on; else its exit code, --help or the one-line
/// error having been written.
std::optional<int> parse_arguments(CLI::App& app, int argc, const char* const* argv);

/// Every option of a parsed command with its value, as a TOML document that `--config` reads back.
/// `found` has, by long name, what the work found for options that leave a choice to it.
std::string resolved_toml(const CLI::App& command,
                          const std::map<std::string, std::string>& found = {});

/// Runs `body` and returns its exit code; an exception becomes one line on stderr, led by
/// `program`, and `usage` for UsageError, else `failed`. Neither a closed stdout (FAULTS 65) nor
/// a file above the process's size limit (FAULTS 46) kills the program.
int run_guarded(std::string_view program, const std::function<int()>& body);

}  // namespace balmer::program
