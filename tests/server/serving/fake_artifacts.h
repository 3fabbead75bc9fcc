// Artifacts in memory.
#pragma once

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "server/serving/artifact_cache.h"

namespace espalier::server {

class FakeArtifacts : public ArtifactSource {
 public:
  void add(const std::string& artifact, const std::string& path, const std::string& content) {
    contents[artifact][path] = content;
    v1::Artifact& entry = artifacts[artifact];
    entry.set_name(artifact);
    v1::File* file = entry.add_files();
    file->set_path(path);
    file->set_size(content.size());
    file->set_sha256(sha256_hex(content));
  }

  absl::StatusOr<v1::Artifact> get(const std::string& artifact) override {
    ++gets;
    const auto place = artifacts.find(artifact);
    if (place == artifacts.end()) return absl::NotFoundError(absl::StrCat("no ", artifact));
    return place->second;
  }
  absl::StatusOr<std::string> read(const std::string& artifact, const std::string& path,
                                   uint64_t offset) override {
    const std::string& content = contents[artifact][path];
    return content.substr(std::min<size_t>(offset, content.size()), 3);
  }

  std::map<std::string, v1::Artifact> artifacts;
  std::map<std::string, std::map<std::string, std::string>> contents;
  int gets = 0;
};

}  // namespace espalier::server
