#include "client/cli/exit_code.h"

namespace espalier::cli {

ExitCode exit_code_of(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kUnimplemented:
      return ExitCode::kRefused;
    case absl::StatusCode::kUnavailable:
      return ExitCode::kUnreachable;
    default:
      return ExitCode::kFailed;
  }
}

std::string exit_code_help() {
  return "  0    done; a watched job succeeded\n"
         "  1    the job or the operation failed\n"
         "  2    wrong usage of the command line\n"
         "  3    not found\n"
         "  4    the service refused the input\n"
         "  5    the service cannot be reached\n"
         "  130  interrupted\n";
}

}  // namespace espalier::cli
