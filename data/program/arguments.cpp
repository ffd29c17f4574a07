#include "data/program/arguments.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>
#include <sstream>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/nearest_name.h"

namespace balmer::program {
namespace {

using Arguments = std::vector<std::string>;

bool is_one_of(const std::string& name, const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Options that speak about the invocation, not about the work.
bool is_invocation_option(const std::string& name) {
    return name == "help" || name == "config" || name == "version";
}

/// Long name of an option, or its name as a positional.
std::string plain_name(const CLI::Option& option) {
    return option.get_lnames().empty() ? option.get_name() : option.get_lnames().front();
}

std::vector<std::string> option_names(const CLI::App& command, const std::string& prefix) {
    std::vector<std::string> names;
    for (const auto* option : command.get_options()) {
        for (const auto& name : option->get_lnames()) names.push_back(prefix + name);
    }
    return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(command->get_name());
    }
    return names;
}

/// The command that `arguments` names: a subcommand where the program has some, else `app`.
CLI::App& find_command(CLI::App& app, const Arguments& arguments) {
    const auto names = command_names(app);
    if (names.empty() || arguments.empty() || arguments.front().starts_with("-")) return app;
    if (!is_one_of(arguments.front(), names)) {
        throw unknown_name("command", arguments.front(), names);
    }
    return *app.get_subcommand(arguments.front());
}

void expect_known_options(const CLI::App& command, const Arguments& arguments) {
    const auto known = option_names(command, "--");
    for (const auto& argument : arguments) {
        if (argument == "--") return;
        if (!argument.starts_with("--")) continue;
        const std::string name = argument.substr(0, argument.find('='));
        if (!is_one_of(name, known)) {
            throw unknown_name("option", name, known);
        }
    }
}

std::string text_of(const toml::node& value, const std::string& where) {
    if (const auto* text = value.as_string()) return text->get();
    if (const auto* number = value.as_integer()) return std::to_string(number->get());
    if (const auto* number = value.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* flag = value.as_boolean()) return flag->get() ? "true" : "false";
    throw UsageError(where + " needs a string, number or boolean");
}

/// The command line that says what one key of the configuration says.
Arguments arguments_of(const CLI::Option& option, const std::string& name, const toml::node& value,
                       const std::string& where) {
    std::vector<std::string> texts;
    if (const auto* list = value.as_array()) {
        for (const auto& element : *list) texts.push_back(text_of(element, where));
    } else {
        texts.push_back(text_of(value, where));
    }
    if (option.get_items_expected_max() == 0) {  // a flag
        if (!value.is_boolean()) throw UsageError(where + " needs true or false");
        return texts.front() == "true" ? Arguments{"--" + name} : Arguments{};
    }
    if (option.get_lnames().empty()) return texts;
    if (option.get_delimiter() != '\0') {
        return {
            fmt::format("--{}={}", name, fmt::join(texts, std::string(1, option.get_delimiter())))};
    }
    if (texts.size() > 1 && option.get_items_expected_max() == 1) {
        throw UsageError(where + " takes one value");
    }
    Arguments result;
    for (const auto& text : texts) result.push_back(fmt::format("--{}={}", name, text));
    return result;
}

CLI::Option& find_option(CLI::App& command, const std::string& key, const std::string& path) {
    std::vector<std::string> known;
    for (auto* option : command.get_options()) {
        const std::string name = plain_name(*option);
        if (is_invocation_option(name)) continue;
        std::string dashed = key;
        std::replace(dashed.begin(), dashed.end(), '_', '-');
        if (name == key || name == dashed) return *option;
        known.push_back(name);
    }
    throw UsageError(path + ": " + unknown_name("key", key, known).what());
}

/// What `table` adds to a command line that has been parsed into `command`.
void append_configuration(CLI::App& command, const toml::table& table, const std::string& path,
                          Arguments& arguments) {
    const auto* parent = command.get_parent();
    Arguments positionals;
    for (const auto& [key_node, value] : table) {
        const std::string key(key_node.str());
        if (const auto* section = value.as_table()) {
            if (parent != nullptr && key == command.get_name()) {
                append_configuration(command, *section, path, arguments);
                continue;
            }
            if (parent != nullptr && is_one_of(key, command_names(*parent))) continue;
        }
        const auto& option = find_option(command, key, path);
        if (option.count() > 0) continue;
        const std::string where =
            fmt::format("{}:{}: {}", path, value.source().begin.line, plain_name(option));
        auto& target = option.get_lnames().empty() ? positionals : arguments;
        const auto addition = arguments_of(option, plain_name(option), value, where);
        target.insert(target.end(), addition.begin(), addition.end());
    }
    if (positionals.empty()) return;
    arguments.push_back("--");
    arguments.insert(arguments.end(), positionals.begin(), positionals.end());
}

toml::table read_configuration(const std::string& path) {
    try {
        return toml::parse_file(path);
    } catch (const toml::parse_error& error) {
        throw UsageError(
            fmt::format("{}:{}: {}", path, error.source().begin.line, error.description()));
    }
}

/// Paths mean what they say (FAULTS 10), but CLI11 takes "[a,b]" for a list and ends a subcommand
/// at a "--" that comes behind a path. The same paths with "./" in front are no syntax.
Arguments with_literal_paths(const Arguments& arguments) {
    Arguments literal;
    bool only_paths = false;
    for (std::string argument : arguments) {
        if (!only_paths && argument == "--") {
            only_paths = true;
            continue;
        }
        const bool is_option = !only_paths && argument.starts_with("--");
        // npos + 1 is the start.
        const std::size_t begin = is_option ? argument.find('=') + 1 : 0;
        const bool is_list =
            begin < argument.size() && argument[begin] == '[' && argument.back() == ']';
        if (is_list || (only_paths && argument.starts_with("-"))) argument.insert(begin, "./");
        literal.push_back(std::move(argument));
    }
    return literal;
}

void parse(CLI::App& app, Arguments arguments) {
    arguments = with_literal_paths(arguments);
    std::reverse(arguments.begin(), arguments.end());
    app.parse(std::move(arguments));
}

void parse_with_configuration(CLI::App& app, Arguments arguments) {
    CLI::App& command = find_command(app, arguments);
    expect_known_options(command, arguments);
    const auto* config = command.get_option_no_throw("--config");
    try {
        parse(app, arguments);
        if (config == nullptr || config->count() == 0) return;
    } catch (const CLI::RequiredError&) {
        // What is missing on the command line may stand in the file.
        if (config == nullptr || config->count() == 0) throw;
    }
    const std::string path = config->results().back();
    append_configuration(command, read_configuration(path), path, arguments);
    parse(app, arguments);
}

bool is_bare_toml(const std::string& text) {
    if (text == "true" || text == "false") return true;
    std::istringstream document("value = " + text + "\n");
    try {
        const auto table = toml::parse(document);
        return table["value"].is_integer() || table["value"].is_floating_point();
    } catch (const toml::parse_error&) {
        return false;
    }
}

std::string toml_value(const std::string& text) {
    if (is_bare_toml(text)) return text;
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace

void set_up(CLI::App& app) {
    app.set_version_flag("--version", app.get_name() + " (Balmer) " BALMER_VERSION);
    app.option_defaults()->always_capture_default();
    app.get_formatter()->column_width(34);
}

void add_config_option(CLI::App& command) {
    command
        .add_option("--config",
                    "TOML file with options under their long names; the command "
                    "line wins (example: --config run.toml)")
        ->type_name("FILE");
}

std::optional<int> parse_arguments(CLI::App& app, int argc, const char* const* argv) {
    try {
        parse_with_configuration(app, Arguments(argv + 1, argv + argc));
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
        fmt::print(stderr, "{}: {}\n", app.get_name(), one_line(error.what()));
    } catch (const Error& error) {
        fmt::print(stderr, "{}: {}\n", app.get_name(), one_line(error.what()));
    }
    return usage;
}

std::string resolved_toml(const CLI::App& command,
                          const std::map<std::string, std::string>& found) {
    std::string document;
    for (const auto* option : command.get_options()) {
        const std::string name = plain_name(*option);
        if (is_invocation_option(name)) continue;
        if (const auto value = found.find(name); value != found.end()) {
            document += fmt::format("{} = {}\n", name, toml_value(value->second));
        } else if (option->get_items_expected_max() == 0) {
            document += fmt::format("{} = {}\n", name, option->count() > 0);
        } else if (option->get_items_expected_max() > 1) {
            std::vector<std::string> values;
            for (const auto& text : option->results()) values.push_back(toml_value(text));
            if (option->count() > 0) {
                document += fmt::format("{} = [{}]\n", name, fmt::join(values, ", "));
            }
        } else if (option->count() > 0) {
            document += fmt::format("{} = {}\n", name, toml_value(option->results().back()));
        } else if (!option->get_default_str().empty()) {
            document += fmt::format("{} = {}\n", name, toml_value(option->get_default_str()));
        }
    }
    return document;
}

int run_guarded(std::string_view program, const std::function<int()>& body) {
    // Writing then fails with an error that is reported, instead of ending the process.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    try {
        return body();
    } catch (const UsageError& error) {
        fmt::print(stderr, "{}: {}\n", program, one_line(error.what()));
        return usage;
    } catch (const std::bad_alloc&) {
        fmt::print(stderr, "{}: out of memory\n", program);
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", program, one_line(error.what()));
    }
    return failed;
}

}  // namespace balmer::program
