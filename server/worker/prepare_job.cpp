#include "server/worker/prepare_job.h"

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/spec/recipe.h"
#include "server/worker/proto_json.h"

namespace espalier::server {
namespace {

using Files = google::protobuf::RepeatedPtrField<espalier::v1::File>;
using ReaderOf = std::function<BlobCache::Read(const std::string&)>;

absl::Status fetch_files(const Files& files, const std::string& folder, BlobCache& cache,
                         const ReaderOf& read) {
  ESPALIER_RETURN_IF_ERROR(make_folders(folder));
  for (const auto& file : files) {
    ESPALIER_RETURN_IF_ERROR(check_relative_path(file.path()));
    std::string path = folder + "/" + file.path();
    ESPALIER_RETURN_IF_ERROR(make_folders(std::filesystem::path(path).parent_path().string()));
    ESPALIER_RETURN_IF_ERROR(cache.link(file.sha256(), file.size(), read(file.sha256()), path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JobInput> prepare_job(const worker::v1::Lease& lease, const std::string& folder,
                                     BlobCache& cache, const ReaderOf& read) {
  JobInput input;
  input.job_name = lease.job().name();
  input.model_folder = folder + "/model";
  input.checkpoint_folder = folder + "/checkpoint";
  input.output_folder = folder + "/output";
  ESPALIER_RETURN_IF_ERROR(fetch_files(lease.model_files(), input.model_folder, cache, read));
  ESPALIER_RETURN_IF_ERROR(
      fetch_files(lease.checkpoint_files(), input.checkpoint_folder, cache, read));
  ESPALIER_RETURN_IF_ERROR(make_folders(input.output_folder));
  std::map<std::string, std::string> folders;
  for (const auto& teacher : lease.teachers()) {
    const std::string into = absl::StrCat(folder, "/teacher-", folders.size());
    ESPALIER_RETURN_IF_ERROR(fetch_files(teacher.files(), into, cache, read));
    folders[teacher.model()] = into;
  }
  for (const std::string& name : lease.job().teachers()) {
    const auto found = folders.find(name);
    if (found == folders.end() && name != kOwnTeacher)
      return absl::InternalError(absl::StrCat("the lease lacks the files of the teacher ", name));
    input.teachers.push_back({name, found == folders.end() ? "" : found->second});
  }
  if (lease.has_dataset()) {
    std::string data = folder + "/dataset";
    ESPALIER_RETURN_IF_ERROR(fetch_files(lease.dataset().files(), data, cache, read));
    ESPALIER_ASSIGN_OR_RETURN(Json json, to_json(lease.dataset()));
    ESPALIER_ASSIGN_OR_RETURN(input.dataset, read_dataset_spec(json, data));
  }
  ESPALIER_ASSIGN_OR_RETURN(input.recipe, to_json(lease.job().resolved_recipe()));
  return input;
}

}  // namespace espalier::server
