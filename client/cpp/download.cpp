// Downloads: written aside, checked, renamed.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cpp/connection.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace espalier::client {
namespace {

absl::Status download_file(const Connection& connection, const Client::Options& options,
                           const std::string& artifact, const v1::File& file,
                           const std::string& local, const std::function<void(uint64_t)>& at) {
  const std::string aside = local + ".part";
  std::ofstream out(aside, std::ios::binary | std::ios::trunc);
  if (!out) return absl::PermissionDeniedError(absl::StrCat("cannot write ", aside));
  Sha256 hash;
  Backoff backoff(options);
  v1::ReadArtifactFileRequest request;
  request.set_name(artifact);
  request.set_path(file.path());
  request.set_limit(kChunk);
  for (uint64_t offset = 0; offset < file.size();) {
    request.set_offset(offset);
    v1::ReadArtifactFileResponse response;
    auto status = connection.call(*connection.artifacts,
                                  &v1::ArtifactService::Stub::ReadArtifactFile, request, &response);
    if (!status.ok()) {
      if (backoff.again(status)) continue;
      return status;
    }
    backoff.reset();
    if (response.data().empty()) break;
    out.write(response.data().data(), static_cast<std::streamsize>(response.data().size()));
    hash.update(response.data());
    at(offset += response.data().size());
  }
  out.close();
  if (!out)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot write ", aside, "; is the disk full?"));
  const std::string found = hash.hex();
  if (found != file.sha256()) {
    std::filesystem::remove(aside);
    return absl::DataLossError(absl::StrCat(file.path(), " arrived with SHA-256 ", found,
                                            " instead of ", file.sha256(), "; download it again"));
  }
  return publish_file(aside, local);
}

bool is_there(const std::string& local, const v1::File& file) {
  std::error_code error;
  if (std::filesystem::file_size(local, error) != file.size() || error) return false;
  auto found = sha256_of_file(local);
  return found.ok() && *found == file.sha256();
}

}  // namespace

absl::StatusOr<v1::Artifact> Client::download_artifact(const std::string& id,
                                                       const std::string& folder,
                                                       const TransferCallback& progress) {
  ESPALIER_ASSIGN_OR_RETURN(auto artifact, get_artifact(id));
  TransferProgress at;
  for (const auto& file : artifact.files()) at.total += file.size();
  uint64_t before = 0;
  for (const auto& file : artifact.files()) {
    ESPALIER_RETURN_IF_ERROR(check_relative_path(file.path()));
    const auto local = std::filesystem::path(folder) / file.path();
    ESPALIER_RETURN_IF_ERROR(make_folders(local.parent_path()));
    auto report = [&](uint64_t done) {
      at.file = file.path();
      at.done = before + done;
      if (progress) progress(at);
    };
    if (!is_there(local, file)) {
      ESPALIER_RETURN_IF_ERROR(
          download_file(*connection_, options_, artifact.name(), file, local, report));
    }
    report(file.size());
    before += file.size();
  }
  return artifact;
}

}  // namespace espalier::client
