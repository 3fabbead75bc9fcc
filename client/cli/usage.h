// What the command line answers to a call that it does not understand.
#pragma once

#include <string>

#include "CLI/CLI.hpp"

namespace espalier::cli {

// For CLI::App::failure_message(). CLI11 says of an unknown command only that one is required: this
// names it, and those that there are.
std::string usage_text(const CLI::App* app, const CLI::Error& error);

}  // namespace espalier::cli
