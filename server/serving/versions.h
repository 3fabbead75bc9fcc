// Which of a model's versions are served: pure functions of names.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace espalier::server {

struct VersionPolicy {
  enum class Kind { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  int latest = 1;                     // kLatest: how many
  std::vector<std::string> specific;  // kSpecific: which

  bool operator==(const VersionPolicy&) const = default;
};

// "latest", "latest:2", "all" or "specific:1,3".
absl::StatusOr<VersionPolicy> parse_version_policy(const std::string& text);

// One for all models, and others for some.
struct VersionPolicies {
  VersionPolicy usual;
  std::map<std::string, VersionPolicy> of;

  const VersionPolicy& operator[](const std::string& model) const;
};
// Adds "POLICY" or "MODEL=POLICY". INVALID_ARGUMENT says what is wrong, also with a second one for
// the same.
absl::Status add_version_policy(const std::string& text, VersionPolicies* policies);

// Whether `left` is an older version than `right`: numbers in the names count as numbers, so that
// "9" is older than "10" and "v1.9" than "v1.10".
bool is_older(const std::string& left, const std::string& right);

// Those that are served of those there are, the newest first: that one answers who names none.
// NOT_FOUND when there is none, or not one that the policy names.
absl::StatusOr<std::vector<std::string>> choose_versions(const VersionPolicy& policy,
                                                         std::vector<std::string> present);

}  // namespace espalier::server
