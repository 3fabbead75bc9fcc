#include "client/cli/output.h"

#include <google/protobuf/util/json_util.h>

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cpp/status.h"

namespace espalier::cli {

std::string error_text(const absl::Status& status) {
  std::string text = absl::StrCat("espalier: ", std::string(status.message()), "\n");
  for (const auto& violation : client::field_violations(status)) {
    // A single violation often is the message itself.
    if (violation.description == std::string(status.message())) {
      absl::StrAppend(&text, "  in ", violation.field, "\n");
    } else {
      absl::StrAppend(&text, "  ", violation.field, ": ", violation.description, "\n");
    }
  }
  return text;
}

ExitCode report_error(const absl::Status& status) {
  std::cerr << error_text(status) << std::flush;
  return exit_code_of(status);
}

std::string to_json_text(const google::protobuf::Message& message) {
  return to_json(message).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json to_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return Json::object();
  return Json::parse(text, nullptr, false);
}

ExitCode show_deleted(const Context& context, const std::string& name, const absl::Status& status) {
  if (!status.ok()) return report_error(status);
  print(context.json() ? Json{{"deleted", name}}.dump(2) + "\n"
                       : absl::StrCat("deleted ", name, "\n"));
  return ExitCode::kOk;
}

void print(const std::string& text) { std::cout << text << std::flush; }

std::string time_text(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(time.seconds()),
                          absl::LocalTimeZone());
}

std::string state_text(const std::string& enum_name) {
  return absl::StartsWith(enum_name, "STATE_") ? enum_name.substr(6) : enum_name;
}

}  // namespace espalier::cli
