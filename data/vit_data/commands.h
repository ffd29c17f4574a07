#pragma once
// The commands of vit-data: each adds itself to the program and says what to run.

#include <functional>

namespace CLI {
class App;
}

namespace balmer::data::commands {

struct Command {
    CLI::App* arguments;
    std::function<int()> run;  ///< returns the exit code
};

Command simulate_command(CLI::App& program);
Command pack_command(CLI::App& program);
Command info_command(CLI::App& program);
Command verify_command(CLI::App& program);
Command render_command(CLI::App& program);

}  // namespace balmer::data::commands
