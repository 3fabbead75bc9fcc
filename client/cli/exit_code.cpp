#include "client/cli/exit_code.h"

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace espalier::cli {
namespace {

// Marks what usage_error() made; no service sends it.
constexpr char kUsageUrl[] = "espalier.cli/usage";

// Only a service that was reached sends details.
bool has_details(const absl::Status& status) {
  bool any = false;
  status.ForEachPayload([&](absl::string_view, const absl::Cord&) { any = true; });
  return any;
}

}  // namespace

absl::Status usage_error(const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsageUrl, absl::Cord());
  return status;
}

ExitCode exit_code_of(const absl::Status& status) {
  if (status.GetPayload(kUsageUrl)) return ExitCode::kUsage;
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
      return has_details(status) ? ExitCode::kFailed : ExitCode::kUnreachable;
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
