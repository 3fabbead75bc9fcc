#include "server/common/status.h"

#include <algorithm>
#include <optional>

#include "absl/strings/cord.h"
#include "google/rpc/status.pb.h"
#include "server/common/bounded_text.h"

namespace espalier::server {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr size_t kMaxMessage = 1024;
constexpr size_t kMaxDescription = 256;
// Base64 makes the details a third larger, and percent-encoding a message in other scripts three
// times: 4/3 x 3000 + 3 x 1024 stays below 7 KB.
constexpr size_t kMaxDetails = 3000;

template <class Message>
std::optional<Message> payload(const absl::Status& status, const char* url) {
  auto bytes = status.GetPayload(url);
  Message message;
  if (!bytes || !message.ParseFromString(std::string(*bytes))) return std::nullopt;
  return message;
}

void add_detail(google::rpc::Status& wire, const char* url,
                const google::protobuf::Message& message) {
  auto* detail = wire.add_details();
  detail->set_type_url(url);
  detail->set_value(message.SerializeAsString());
}

}  // namespace

absl::Status with_reason(absl::Status status, std::string_view reason, std::string_view field) {
  if (status.ok()) return status;
  if (!payload<google::rpc::ErrorInfo>(status, kErrorInfoUrl)) {
    google::rpc::ErrorInfo info;
    info.set_reason(std::string(reason));
    info.set_domain("espalier");
    status.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
  }
  if (field.empty()) return status;
  std::string description(status.message());
  return with_field(std::move(status), field, description);
}

absl::Status with_field(absl::Status status, std::string_view field, std::string_view description) {
  if (status.ok()) return status;
  auto request =
      payload<google::rpc::BadRequest>(status, kBadRequestUrl).value_or(google::rpc::BadRequest());
  auto* violation = request.add_field_violations();
  violation->set_field(utf8_prefix(field, kMaxDescription));
  violation->set_description(utf8_prefix(description, kMaxDescription));
  status.SetPayload(kBadRequestUrl, absl::Cord(request.SerializeAsString()));
  return status;
}

std::string reason_of(const absl::Status& status) {
  auto info = payload<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
  return info ? info->reason() : "";
}

std::vector<FieldViolation> fields_of(const absl::Status& status) {
  std::vector<FieldViolation> fields;
  if (auto request = payload<google::rpc::BadRequest>(status, kBadRequestUrl)) {
    for (const auto& violation : request->field_violations()) {
      fields.push_back({violation.field(), violation.description()});
    }
  }
  return fields;
}

grpc::Status to_grpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message =
      utf8_prefix(std::string_view(status.message().data(), status.message().size()), kMaxMessage);
  auto code = static_cast<grpc::StatusCode>(status.code());

  google::rpc::Status wire;
  wire.set_code(static_cast<int>(code));
  wire.set_message(message);
  if (auto info = payload<google::rpc::ErrorInfo>(status, kErrorInfoUrl)) {
    add_detail(wire, kErrorInfoUrl, *info);
  }
  if (auto request = payload<google::rpc::BadRequest>(status, kBadRequestUrl)) {
    // The last violations give way, so that the first and the reason always arrive.
    while (request->field_violations_size() > 0 &&
           wire.ByteSizeLong() + request->ByteSizeLong() + 64 > kMaxDetails) {
      request->mutable_field_violations()->RemoveLast();
    }
    if (request->field_violations_size() > 0) add_detail(wire, kBadRequestUrl, *request);
  }
  if (wire.details().empty()) return grpc::Status(code, message);
  return grpc::Status(code, message, wire.SerializeAsString());
}

absl::Status from_grpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status wire;
  if (wire.ParseFromString(status.error_details())) {
    for (const auto& detail : wire.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

std::string code_name(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace espalier::server
