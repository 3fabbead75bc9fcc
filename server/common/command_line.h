// What every program of ours does with its command line.
#pragma once

#include <optional>

namespace CLI {
class App;
}

namespace espalier::server {

// The exit code of wrong usage, of the daemons as of the command line client.
constexpr int kWrongUsage = 2;

// Parses the command line into what the options of `app` are bound to. Nothing when the program
// shall run; else what it shall exit with, its words being printed: 0 for --help and --version,
// kWrongUsage for all that is wrong, where CLI11 has a code of its own for each kind of error.
std::optional<int> parse_command_line(CLI::App& app, int argc, const char* const* argv);

}  // namespace espalier::server
