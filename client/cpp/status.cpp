#include "client/cpp/status.h"

#include <grpcpp/support/status.h>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"

namespace espalier::client {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";

template <class Detail>
Detail detail_of(const absl::Status& status) {
  Detail detail;
  auto payload = status.GetPayload(absl::StrCat(kTypePrefix, Detail::descriptor()->full_name()));
  if (payload && !detail.ParseFromString(std::string(*payload))) detail.Clear();
  return detail;
}

}  // namespace

absl::Status to_status(const grpc::Status& status, const Peer& peer) {
  if (status.ok()) return absl::OkStatus();
  // gRPC's and absl's codes are the same numbers.
  auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code == absl::StatusCode::kUnavailable && status.error_details().empty()) {
    return absl::UnavailableError(absl::StrCat("cannot reach ", peer.name, " at ", peer.address,
                                               ": ", status.error_message(), "; ", peer.advice));
  }
  absl::Status result(code, status.error_message());
  google::rpc::Status rich;
  if (rich.ParseFromString(status.error_details())) {
    for (const auto& detail : rich.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

std::vector<FieldViolation> field_violations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const auto request = detail_of<google::rpc::BadRequest>(status);
  for (const auto& violation : request.field_violations()) {
    violations.push_back({violation.field(), violation.description()});
  }
  return violations;
}

std::string error_reason(const absl::Status& status) {
  return detail_of<google::rpc::ErrorInfo>(status).reason();
}

bool is_transient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return true;
    default:
      return false;
  }
}

}  // namespace espalier::client
