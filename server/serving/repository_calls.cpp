#include "server/serving/repository_calls.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

absl::Status bad_key(absl::Status status, const std::string& key) {
  return with_reason(std::move(status), "BAD_PARAMETER", absl::StrCat("parameters[", key, "]"));
}

// Sorted, so that the same request is always refused for the same reason.
std::set<std::string> keys_of(const RepositoryParameters& parameters) {
  std::set<std::string> keys;
  for (const auto& [key, value] : parameters) keys.insert(key);
  return keys;
}

}  // namespace

absl::StatusOr<std::string> model_to_change(const std::string& repository_name,
                                            const std::string& model_name) {
  if (!model_name.empty() && !repository_name.empty()) {
    return absl::UnimplementedError(absl::StrCat("there is no repository \"", repository_name,
                                                 "\"; leave repository_name empty"));
  }
  if (model_name.empty() && repository_name.empty()) {
    return with_reason(absl::InvalidArgumentError("model_name is empty; name a model"), "BAD_INPUT",
                       "model_name");
  }
  return model_name.empty() ? repository_name : model_name;
}

absl::Status check_load_parameters(const RepositoryParameters& parameters) {
  for (const std::string& key : keys_of(parameters)) {
    if (key == "config" || absl::StartsWith(key, "file:")) {
      return bad_key(absl::UnimplementedError(
                         absl::StrCat("parameter \"", key,
                                      "\" is not offered: a model is loaded from its folder "
                                      "as it is; change the folder and load it again")),
                     key);
    }
    return bad_key(absl::InvalidArgumentError(
                       absl::StrCat("parameter \"", key, "\" is unknown; loading takes none")),
                   key);
  }
  return absl::OkStatus();
}

absl::Status check_unload_parameters(const RepositoryParameters& parameters) {
  for (const std::string& key : keys_of(parameters)) {
    if (key == "unload_dependents" && parameters.at(key).has_bool_param()) continue;
    return bad_key(
        absl::InvalidArgumentError(absl::StrCat("parameter \"", key, "\" is ",
                                                key == "unload_dependents" ? "no bool" : "unknown",
                                                "; unloading takes unload_dependents, a bool")),
        key);
  }
  return absl::OkStatus();
}

}  // namespace espalier::server
