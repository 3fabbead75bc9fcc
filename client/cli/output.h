// How results and errors reach the user.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/app.h"
#include "core/base/options.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"

namespace espalier::cli {

// Prints the error with its field violations on stderr; returns its exit code.
ExitCode report_error(const absl::Status& status);
std::string error_text(const absl::Status& status);

// A message as JSON with the field names of the proto.
std::string to_json_text(const google::protobuf::Message& message);
Json to_json(const google::protobuf::Message& message);

// Prints `message` as JSON, or what `text` makes of it.
template <class Message, class Text>
ExitCode show(const Context& context, const absl::StatusOr<Message>& message, const Text& text);
// Prints "deleted NAME" or its JSON form.
ExitCode show_deleted(const Context& context, const std::string& name, const absl::Status& status);
void print(const std::string& text);

// "2026-11-22 03:41" in local time; empty for an unset time.
std::string time_text(const google::protobuf::Timestamp& time);
// "STATE_READY" -> "READY".
std::string state_text(const std::string& enum_name);

template <class Message, class Text>
ExitCode show(const Context& context, const absl::StatusOr<Message>& message, const Text& text) {
  if (!message.ok()) return report_error(message.status());
  print(context.json() ? to_json_text(*message) : text(*message));
  return ExitCode::kOk;
}

}  // namespace espalier::cli
