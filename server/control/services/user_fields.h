// Checks and page tokens that several services share.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/control/job_store.h"
#include "server/control/names.h"

namespace espalier::server {

// The key of what a Create makes; `field` names the id in errors.
inline absl::StatusOr<Key> new_key(const std::string& parent, const std::string& id,
                                   const std::string& field) {
  auto project = parse_parent(parent);
  if (!project.ok()) return with_reason(project.status(), "BAD_NAME", "parent");
  if (auto status = check_id(id, field); !status.ok())
    return with_reason(status, "BAD_NAME", field);
  return Key{*project, id};
}

// Free text and labels of a user, bounded: they are stored and sent with every answer.
template <class Message>
absl::Status check_user_fields(const Message& message, const std::string& request_id) {
  if (message.display_name().size() > 1000) {
    return with_reason(absl::InvalidArgumentError("display_name is longer than 1000 bytes"),
                       "TOO_LONG", "display_name");
  }
  if (message.labels_size() > 64) {
    return with_reason(absl::InvalidArgumentError(absl::StrCat("there are ", message.labels_size(),
                                                               " labels; at most 64 are allowed")),
                       "TOO_MANY", "labels");
  }
  for (const auto& [name, value] : message.labels()) {
    if (!name.empty() && name.size() <= 63 && value.size() <= 1000) continue;
    return with_reason(absl::InvalidArgumentError(
                           "a label needs a name of 1 to 63 bytes and a value of at most 1000"),
                       "TOO_LONG", "labels");
  }
  if (request_id.size() > 128) {
    return with_reason(absl::InvalidArgumentError("request_id is longer than 128 bytes"),
                       "TOO_LONG", "request_id");
  }
  return absl::OkStatus();
}

// Page fields of a List request. `filter` is whatever else shapes the list.
template <class RequestMessage>
absl::StatusOr<PageQuery> page_query(const RequestMessage& request, const std::string& filter) {
  PageQuery query;
  ESPALIER_ASSIGN_OR_RETURN(query.project, parse_parent(request.parent()));
  ESPALIER_ASSIGN_OR_RETURN(query.rows, page_rows(request.page_size()));
  ESPALIER_ASSIGN_OR_RETURN(
      query.after,
      read_page_token(request.page_token(), absl::StrCat(request.parent(), "|", filter)));
  return query;
}
template <class RequestMessage>
std::string next_token(int64_t next, const RequestMessage& request, const std::string& filter) {
  return next == 0 ? "" : make_page_token(next, absl::StrCat(request.parent(), "|", filter));
}

}  // namespace espalier::server
