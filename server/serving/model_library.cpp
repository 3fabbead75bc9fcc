#include "server/serving/model_library.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

namespace fs = std::filesystem;

bool is_artifact(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.json", ignored);
}

// Names of the folders in a folder, sorted; those that begin with a dot are somebody's own.
std::vector<std::string> folders_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const std::string name = entry->path().filename();
    if (name.front() != '.' && entry->is_directory(ignored)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> versions_in(const fs::path& folder) {
  std::vector<std::string> versions = folders_in(folder);
  std::erase_if(versions, [&](const std::string& name) { return !is_artifact(folder / name); });
  return versions;
}

// Changes when a file of the folder does: loading reads the files anew only then.
std::string state_of(const std::string& folder) {
  std::string state;
  const auto files = list_files(folder);
  if (!files.ok()) return state;  // the loader will say why
  for (const std::string& file : *files) {
    std::error_code ignored;
    const fs::path path = fs::path(folder) / file;
    absl::StrAppend(&state, file, "\n", fs::file_size(path, ignored), " ",
                    fs::last_write_time(path, ignored).time_since_epoch().count(), "\n");
  }
  return sha256_hex(state);
}

DesiredRoute route_to(const std::string& folder, double weight) {
  return {.alias = "", .artifact = folder, .weight = weight, .manifest = state_of(folder)};
}

// A name comes from anybody; it must stay in the repository.
bool is_folder_name(const std::string& name) {
  return check_relative_path(name).ok() && name.find('/') == std::string::npos &&
         name.front() != '.';
}

}  // namespace

absl::Status ModelLibrary::load_all() {
  std::lock_guard lock(changing_);
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<DesiredModel> desired, scan_all());
  if (repository_.apply(desired) == 0) return absl::OkStatus();
  const std::shared_ptr<const Snapshot> snapshot = repository_.snapshot();
  for (const auto& [name, served] : *snapshot) {
    for (const Absence& absence : served.absences) {
      return absl::FailedPreconditionError(absl::StrCat(
          "model \"", name, "\" does not load: version ", absence.version, ": ", absence.reason));
    }
  }
  return absl::OkStatus();
}

absl::Status ModelLibrary::load(const std::string& name) {
  std::lock_guard lock(changing_);
  ESPALIER_RETURN_IF_ERROR(check_open());
  ESPALIER_ASSIGN_OR_RETURN(const std::string folder, folder_of(name));
  const absl::StatusOr<DesiredModel> desired = scan(name, folder);
  if (!desired.ok()) {
    return absl::Status(
        desired.status().code(),
        absl::StrCat("model \"", name, "\" does not load: ", desired.status().message()));
  }
  return repository_.load(*desired);
}

absl::Status ModelLibrary::unload(const std::string& name) {
  std::lock_guard lock(changing_);
  ESPALIER_RETURN_IF_ERROR(check_open());
  return repository_.unload(name);
}

absl::Status ModelLibrary::check_open() const {
  if (!closed_) return absl::OkStatus();
  return absl::UnavailableError("the server stops; ask another one");
}

absl::StatusOr<std::string> ModelLibrary::folder_of(const std::string& name) const {
  std::vector<std::string> known;
  for (const auto& [model, folder] : options_.models) {
    if (model == name) return folder;
    known.push_back(model);
  }
  if (!options_.repository.empty()) {
    std::error_code ignored;
    const fs::path folder = fs::path(options_.repository) / name;
    if (is_folder_name(name) && fs::is_directory(folder, ignored)) return folder.string();
    const std::vector<std::string> there = folders_in(options_.repository);
    known.insert(known.end(), there.begin(), there.end());
  }
  return with_reason(
      absl::NotFoundError(absl::StrCat("model \"", name, "\" has no folder here; there are: ",
                                       known.empty() ? "none" : absl::StrJoin(known, ", "))),
      "UNKNOWN_MODEL", "model_name");
}

absl::StatusOr<DesiredModel> ModelLibrary::scan(const std::string& name,
                                                const std::string& folder) const {
  DesiredModel model{name, {}};
  if (is_artifact(folder)) {
    model.routes.push_back(route_to(folder, 1));
    return model;
  }
  const std::vector<std::string> present = versions_in(folder);
  if (present.empty()) {
    return absl::NotFoundError(
        "its folder holds neither an artifact's config.json nor folders that do, one a version");
  }
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<std::string> chosen,
                            choose_versions(policy_of(name), present));
  for (const std::string& version : chosen) {
    // The newest answers who names none.
    model.routes.push_back(route_to(absl::StrCat(folder, "/", version), model.routes.empty()));
  }
  return model;
}

absl::StatusOr<std::vector<DesiredModel>> ModelLibrary::scan_all() const {
  std::vector<std::pair<std::string, std::string>> folders = options_.models;
  std::set<std::string> names;
  for (const auto& [name, folder] : folders) names.insert(name);
  std::error_code ignored;
  if (!options_.repository.empty() && !fs::is_directory(options_.repository, ignored)) {
    return absl::NotFoundError(
        absl::StrCat("the repository \"", options_.repository, "\" is no folder"));
  }
  for (const std::string& name :
       options_.repository.empty() ? std::vector<std::string>{} : folders_in(options_.repository)) {
    const std::string folder = absl::StrCat(options_.repository, "/", name);
    if (!is_artifact(folder) && versions_in(folder).empty()) {
      spdlog::warn("{} is no model: it holds no config.json, and no folder that does", folder);
    } else if (!names.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("model \"", name, "\" is given by --model and lies in the repository too"));
    } else {
      folders.emplace_back(name, folder);
    }
  }
  std::vector<DesiredModel> desired;
  for (const auto& [name, folder] : folders) {
    absl::StatusOr<DesiredModel> model = scan(name, folder);
    if (!model.ok()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "model \"", name, "\" does not load: ", model.status().message(), " (", folder, ")"));
    }
    desired.push_back(*std::move(model));
  }
  return desired;
}

}  // namespace espalier::server
