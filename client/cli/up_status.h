// The processes of `up` on the screen.
#pragma once

#include <string>
#include <vector>

#include "client/cli/supervisor/lock.h"

namespace espalier::cli {

std::string status_text(const std::vector<ProcessState>& states);
std::string status_json(const std::string& data, pid_t supervisor,
                        const std::vector<ProcessState>& states);

}  // namespace espalier::cli
