#include "server/serving/versions.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// Takes the digits at the front, without leading zeros, so that numbers of any size compare.
std::string_view take_number(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  std::string_view number = text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(number.size());
  number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
  return number;
}

}  // namespace

absl::StatusOr<VersionPolicy> parse_version_policy(const std::string& text) {
  VersionPolicy policy;
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  std::optional<std::string> rest;
  if (colon != std::string::npos) rest = text.substr(colon + 1);

  if (kind == "latest" && (!rest || (absl::SimpleAtoi(*rest, &policy.latest) && policy.latest > 0)))
    return policy;
  if (kind == "all" && !rest) {
    policy.kind = VersionPolicy::Kind::kAll;
    return policy;
  }
  if (kind == "specific" && rest) {
    policy.kind = VersionPolicy::Kind::kSpecific;
    policy.specific = absl::StrSplit(*rest, ',');
    const bool named = std::none_of(policy.specific.begin(), policy.specific.end(),
                                    [](const std::string& name) { return name.empty(); });
    if (named) return policy;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\" is no version policy; there are latest, latest:N, all and specific:A,B"));
}

const VersionPolicy& VersionPolicies::operator[](const std::string& model) const {
  const auto place = of.find(model);
  return place == of.end() ? usual : place->second;
}

absl::Status add_version_policy(const std::string& text, VersionPolicies* policies) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    ESPALIER_ASSIGN_OR_RETURN(policies->usual, parse_version_policy(text));
    return absl::OkStatus();
  }
  const std::string model = text.substr(0, equals);
  ESPALIER_ASSIGN_OR_RETURN(VersionPolicy policy, parse_version_policy(text.substr(equals + 1)));
  if (model.empty() || !policies->of.emplace(model, std::move(policy)).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" ", model.empty() ? "names no model" : "is a second policy"));
  }
  return absl::OkStatus();
}

bool is_older(const std::string& left, const std::string& right) {
  std::string_view a = left, b = right;
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view m = take_number(a), n = take_number(b);
      if (m.size() != n.size()) return m.size() < n.size();
      if (m != n) return m < n;
    } else {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  if (a.empty() != b.empty()) return a.empty();
  return left < right;  // "1" and "01"
}

absl::StatusOr<std::vector<std::string>> choose_versions(const VersionPolicy& policy,
                                                         std::vector<std::string> present) {
  if (present.empty()) return absl::NotFoundError("there is no version");
  std::sort(present.begin(), present.end(),
            [](const std::string& a, const std::string& b) { return is_older(b, a); });
  if (policy.kind == VersionPolicy::Kind::kLatest) {
    present.resize(std::min(present.size(), static_cast<size_t>(policy.latest)));
  }
  if (policy.kind != VersionPolicy::Kind::kSpecific) return present;

  const std::vector<std::string>& wanted = policy.specific;
  for (const std::string& version : wanted) {
    if (std::find(present.begin(), present.end(), version) != present.end()) continue;
    return absl::NotFoundError(absl::StrCat("version \"", version,
                                            "\" of the version policy is not there; there are ",
                                            absl::StrJoin(present, ", ")));
  }
  std::erase_if(present, [&](const std::string& version) {
    return std::find(wanted.begin(), wanted.end(), version) == wanted.end();
  });
  return present;
}

}  // namespace espalier::server
