// What a repository serves, in words that tests compare.
#pragma once

#include <string>
#include <vector>

#include "server/serving/metadata.h"
#include "server/serving/model_repository.h"

namespace espalier::server {

// Of the model that answers; else why none does.
inline std::string version_of(const ModelRepository& repository, const std::string& name,
                              const std::string& version = "") {
  const auto model = repository.find(name, version);
  return model.ok() ? (*model)->card()->version : model.status().ToString();
}

// "a@1 READY", "a@2 UNAVAILABLE: why".
inline std::vector<std::string> index_of(const ModelRepository& repository) {
  inference::RepositoryIndexResponse response;
  fill_repository_index(*repository.snapshot(), false, &response);
  std::vector<std::string> lines;
  for (const auto& model : response.models()) {
    lines.push_back(model.name() + "@" + model.version() + " " + model.state() +
                    (model.reason().empty() ? "" : ": " + model.reason()));
  }
  return lines;
}

}  // namespace espalier::server
