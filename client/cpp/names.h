// Resource names: projects/{project}/{collection}/{id}. People write and read the id alone.
#pragma once

#include <string>

namespace espalier::client {

// projects/{project}.
std::string project_name(const std::string& project);
// "sst2" -> "projects/default/datasets/sst2"; a whole name stays what it is.
std::string resource_name(const std::string& project, const std::string& collection,
                          const std::string& id);
// The project that an id belongs to: "projects/p" of a whole name, otherwise `project`'s name.
std::string parent_name(const std::string& project, const std::string& id);
// The last part of a name.
std::string short_name(const std::string& name);

}  // namespace espalier::client
