#include "server/serving/artifact_cache.h"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

namespace fs = std::filesystem;

constexpr char kPartial[] = ".partial-";

absl::StatusOr<std::string> folder_name(const DesiredRoute& route) {
  const std::string id = route.content(), &artifact = route.artifact;
  // It becomes a folder name, and what starts with a dot is ours.
  if (id.empty() || id[0] == '.' || !check_relative_path(id).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", artifact, "\" is no artifact name; it takes projects/P/artifacts/ID"));
  }
  return id;
}

}  // namespace

absl::StatusOr<std::string> ArtifactCache::folder_of(const DesiredRoute& route) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string id, folder_name(route));
  const std::string parent = absl::StrCat(folder_, "/artifacts");
  const std::string folder = absl::StrCat(parent, "/", id);
  std::error_code error;
  if (fs::is_directory(folder, error)) return folder;

  const std::string partial = absl::StrCat(parent, "/", kPartial, id);
  fs::remove_all(partial, error);
  ESPALIER_RETURN_IF_ERROR(make_folders(partial));
  if (absl::Status status = download(route, partial); !status.ok()) {
    fs::remove_all(partial, error);
    return status;
  }
  fs::rename(partial, folder, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot rename ", partial, " to ", folder, ": ", error.message()));
  }
  ESPALIER_RETURN_IF_ERROR(sync_folder(parent));
  spdlog::info("artifact {} is downloaded", id);
  return folder;
}

absl::Status ArtifactCache::download(const DesiredRoute& route, const std::string& folder) {
  const std::string& artifact = route.artifact;
  ESPALIER_ASSIGN_OR_RETURN(const v1::Artifact found, source_.get(artifact));
  if (!route.manifest.empty() && found.manifest_sha256() != route.manifest) {
    return absl::AbortedError(absl::StrCat(
        "artifact \"", artifact, "\" was made anew since the endpoint was set; set it again"));
  }
  if (found.files().empty()) {
    return absl::DataLossError(absl::StrCat("artifact \"", artifact, "\" lists no files"));
  }
  for (const v1::File& file : found.files()) {
    ESPALIER_RETURN_IF_ERROR(download_file(artifact, file, folder));
  }
  return sync_folder(folder);
}

absl::Status ArtifactCache::download_file(const std::string& artifact, const v1::File& file,
                                          const std::string& folder) {
  ESPALIER_RETURN_IF_ERROR(check_relative_path(file.path()));
  const std::string path = absl::StrCat(folder, "/", file.path());
  const std::string aside = absl::StrCat(path, kPartial);
  ESPALIER_RETURN_IF_ERROR(make_folders(fs::path(path).parent_path().string()));
  std::ofstream out(aside, std::ios::binary | std::ios::trunc);
  Sha256 hash;
  uint64_t size = 0;
  // One read beyond the announced size finds a file that grew.
  while (size <= file.size()) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string data, source_.read(artifact, file.path(), size));
    if (data.empty()) break;
    hash.update(data);
    out.write(data.data(), static_cast<std::streamsize>(data.size()));
    size += data.size();
  }
  out.close();
  if (!out)
    return absl::ResourceExhaustedError(absl::StrCat("cannot write ", aside, "; disk full?"));
  const std::string sha256 = hash.hex();
  if (size != file.size() || sha256 != file.sha256()) {
    return absl::DataLossError(absl::StrCat(
        "file ", file.path(), " of \"", artifact, "\" came with ", size, " bytes and sha256 ",
        sha256, "; announced were ", file.size(), " bytes and ", file.sha256()));
  }
  return publish_file(aside, path);
}

void ArtifactCache::keep_only(const std::set<std::string>& contents) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(absl::StrCat(folder_, "/artifacts"), error)) {
    const std::string name = entry.path().filename().string();
    if (contents.contains(name)) continue;
    fs::remove_all(entry.path(), error);
    spdlog::info("artifact {} is removed from the cache", name);
  }
}

}  // namespace espalier::server
