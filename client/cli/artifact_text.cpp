#include "client/cli/artifact_text.h"

#include "absl/strings/str_cat.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cpp/names.h"

namespace espalier::cli {
namespace {

std::string precision_of(const v1::Artifact& artifact) {
  const auto& summary = artifact.summary().fields();
  const auto found = summary.find("precision");
  return found == summary.end() ? "" : found->second.string_value();
}

}  // namespace

std::string artifact_text(const v1::Artifact& artifact) {
  const std::string precision = precision_of(artifact);
  std::string text =
      absl::StrCat("name       ", client::short_name(artifact.name()), "\njob        ",
                   client::short_name(artifact.job()), "\ntask       ", artifact.task(),
                   precision.empty() ? "" : "\nprecision  ", precision, "\nmanifest   ",
                   artifact.manifest_sha256(), "\nweights    ", artifact.weights_sha256(),
                   "\ncreated    ", time_text(artifact.create_time()), "\n");
  for (const auto& file : artifact.files()) {
    absl::StrAppend(&text, "file       ", file.path(), "  ", bytes_text(file.size()), "\n");
  }
  return text;
}

std::string artifacts_text(const v1::ListArtifactsResponse& list) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& artifact : list.artifacts()) {
    uint64_t bytes = 0;
    for (const auto& file : artifact.files()) bytes += file.size();
    rows.push_back({client::short_name(artifact.name()), artifact.task(), precision_of(artifact),
                    bytes_text(bytes), client::short_name(artifact.job()),
                    time_text(artifact.create_time())});
  }
  return table({"NAME", "TASK", "PRECISION", "SIZE", "JOB", "CREATED"}, rows);
}

}  // namespace espalier::cli
