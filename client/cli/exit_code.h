// Exit codes that scripts can use.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace espalier::cli {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kRefused = 4,
  kUnreachable = 5,
  kInterrupted = 130,
};

ExitCode exit_code_of(const absl::Status& status);
// One line a code, for --help.
std::string exit_code_help();

}  // namespace espalier::cli
