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

// INVALID_ARGUMENT for what is wrong with the command line, found before any service was asked: its
// exit code is kUsage, not kRefused.
absl::Status usage_error(const std::string& message);

ExitCode exit_code_of(const absl::Status& status);
// One line a code, for --help.
std::string exit_code_help();

}  // namespace espalier::cli
