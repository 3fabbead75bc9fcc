// Version policies and the order of versions, which are text of the command line and names of
// folders. An input is lines: policies, or versions that there are.
#include <algorithm>
#include <set>

#include "absl/strings/str_split.h"
#include "server/serving/versions.h"
#include "tests/fuzz/fuzz_target.h"

namespace espalier::fuzz {
namespace {

using server::is_older;

constexpr size_t kMostLines = 32;  // each is tried against all others

// Of any three: what sorting needs of an order.
void check_order(const std::vector<std::string>& names) {
  const size_t count = std::min<size_t>(names.size(), 6);
  for (size_t a = 0; a < count; ++a) {
    promise(!is_older(names[a], names[a]), "no version is older than itself");
    for (size_t b = 0; b < count; ++b) {
      const bool older = is_older(names[a], names[b]);
      promise(!older || !is_older(names[b], names[a]), "of two versions one is older");
      promise(older || names[a] == names[b] || is_older(names[b], names[a]),
              "different versions have an order");
      for (size_t c = 0; older && c < count; ++c) {
        promise(!is_older(names[b], names[c]) || is_older(names[a], names[c]), "the order is one");
      }
    }
  }
}

void check_choice(const server::VersionPolicy& policy, const std::vector<std::string>& present) {
  const auto chosen = server::choose_versions(policy, present);
  if (!chosen.ok()) return promise(absl::IsNotFound(chosen.status()), "what is not there is told");
  promise(!chosen->empty(), "a choice has a version");
  const std::set<std::string> known(present.begin(), present.end());
  for (const std::string& version : *chosen)
    promise(known.contains(version), "a version that is chosen is there");
  for (size_t i = 1; i < chosen->size(); ++i)
    promise(!is_older((*chosen)[i - 1], (*chosen)[i]), "the newest comes first");
}

std::string run(std::string_view input) {
  std::vector<std::string> lines = absl::StrSplit(std::string(input), '\n');
  lines.resize(std::min(lines.size(), kMostLines));
  check_order(lines);
  std::string kind;
  server::VersionPolicies policies;
  for (const std::string& line : lines) {
    const auto policy = server::parse_version_policy(line);
    if (policy.ok()) check_choice(*policy, lines);
    kind += policy.ok() ? "policy " : "";
    kind += server::add_version_policy(line, &policies).ok() ? "added " : "refused ";
    kind.resize(std::min<size_t>(kind.size(), 60));
  }
  return kind;
}

}  // namespace

Target fuzz_target() {
  return {
      .run = run,
      .mutate = nullptr,
      .seeds = {"latest", "latest:2\n1\n2\n10\n9", "all\nv1.9\nv1.10", "specific:1,3\n1\n3\n03",
                "m=latest:1\nm=all", "latest:0", "latest:99999999999", "specific:", "=all", "m="},
      .words = {"latest", "latest:", "all", "specific:", "=", ":", ",", "\n", "0", "00", "10", "9",
                "v1."}};
}

}  // namespace espalier::fuzz
