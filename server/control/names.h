// Resource names: projects/{project}/{collection}/{id}. Ids follow RFC 1034 labels.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::server {

// What leads every key of the store.
struct Key {
  std::string project, id;
  bool operator==(const Key&) const = default;
  auto operator<=>(const Key&) const = default;
};

// Lower-case letters, digits and dashes; a letter first, no dash last; at most 63. `what` names it
// in the message.
absl::Status check_id(const std::string& id, const std::string& what);

// "projects/p" -> "p".
absl::StatusOr<std::string> parse_parent(const std::string& parent);
// "projects/p/{collection}/id" -> {p, id}; INVALID_ARGUMENT shows the form that was expected.
absl::StatusOr<Key> parse_name(const std::string& name, const std::string& collection);
std::string make_name(const Key& key, const std::string& collection);
// NOT_FOUND that says which command lists what there is; `field` of the request names it.
absl::Status no_such(const Key& key, const std::string& collection, std::string_view field = {});

// `digits` random hex digits, of which the first is a letter: a valid id.
std::string random_id(int digits);

// Page tokens hold the sort key of the last row and a check value of the query that they belong to.
std::string make_page_token(int64_t last, const std::string& query);
// 0 for an empty token; INVALID_ARGUMENT for one that is damaged or belongs to another query.
absl::StatusOr<int64_t> read_page_token(const std::string& token, const std::string& query);
// 0 -> 50, at most 1000; INVALID_ARGUMENT when negative.
absl::StatusOr<int> page_rows(int page_size);

}  // namespace espalier::server
