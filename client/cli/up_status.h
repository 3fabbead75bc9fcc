// What `up` starts itself with, and its processes on the screen.
#pragma once

#include <string>
#include <vector>

#include "client/cli/supervisor/lock.h"

namespace espalier::cli {

// The arguments of an `up` that stays in the foreground: no spelling of --detach, which would start
// one more in its place.
std::vector<std::string> without_detach(std::vector<std::string> arguments);

std::string status_text(const std::vector<ProcessState>& states);
std::string status_json(const std::string& data, pid_t supervisor,
                        const std::vector<ProcessState>& states);

}  // namespace espalier::cli
