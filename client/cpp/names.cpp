#include "client/cpp/names.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace espalier::client {

std::string project_name(const std::string& project) { return absl::StrCat("projects/", project); }

std::string resource_name(const std::string& project, const std::string& collection,
                          const std::string& id) {
  if (absl::StartsWith(id, "projects/")) return id;
  return absl::StrCat(project_name(project), "/", collection, "/", id);
}

std::string parent_name(const std::string& project, const std::string& id) {
  const std::string prefix = "projects/";
  if (!absl::StartsWith(id, prefix)) return project_name(project);
  return id.substr(0, id.find('/', prefix.size()));
}

std::string short_name(const std::string& name) { return name.substr(name.rfind('/') + 1); }

}  // namespace espalier::client
