#include "server/worker/proto_json.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace util = google::protobuf::util;

absl::StatusOr<Json> to_json(const google::protobuf::Message& message) {
  util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  auto status = util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return absl::InvalidArgumentError(status.ToString());
  return guard("reading a message as JSON",
               [&]() -> absl::StatusOr<Json> { return Json::parse(text); });
}

absl::Status from_json(const Json& json, google::protobuf::Message& message) {
  // A NaN has no JSON; dump() writes null for it. Text that is not UTF-8 is replaced, not thrown
  // at.
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  auto status = util::JsonStringToMessage(text, &message);
  if (!status.ok()) return absl::InvalidArgumentError(status.ToString());
  return absl::OkStatus();
}

}  // namespace espalier::server
