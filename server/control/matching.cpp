#include "server/control/matching.h"

#include "absl/strings/str_cat.h"

namespace espalier::server {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

std::string text(const Struct& object, const std::string& field) {
  auto found = object.fields().find(field);
  return found == object.fields().end() ? "" : found->second.string_value();
}

void add(const std::string& kind, const Struct& choice,
         std::map<std::string, std::string>& methods) {
  const std::string name = text(choice, "name");
  if (!name.empty() && name != "none")
    methods[absl::StrCat(kind, "/", name)] = text(choice, "digest");
}

}  // namespace

std::map<std::string, std::string> methods_of(const espalier::v1::Job& job) {
  std::map<std::string, std::string> methods;
  const auto& recipe = job.resolved_recipe().fields();
  for (const char* kind : {"pruner", "exit"}) {
    if (auto it = recipe.find(kind); it != recipe.end())
      add(kind, it->second.struct_value(), methods);
  }
  if (auto it = recipe.find("distillers"); it != recipe.end()) {
    for (const Value& one : it->second.list_value().values())
      add("distiller", one.struct_value(), methods);
  }
  return methods;
}

std::string mismatch(const espalier::v1::Job& job, int checkpoint_format,
                     const espalier::worker::v1::WorkerInfo& worker) {
  for (const auto& [method, digest] : methods_of(job)) {
    auto found = worker.methods().find(method);
    if (found == worker.methods().end()) return absl::StrCat("the worker has no ", method);
    if (found->second != digest) return absl::StrCat("the worker has another version of ", method);
  }
  // Workers of protocol 1 would not see the field, and let the job's own model teach alone.
  if (!job.teachers().empty() && worker.protocol_version() < 2)
    return "the worker is of a build that knows no teachers";
  for (const auto& [name, value] : job.worker_labels()) {
    auto found = worker.labels().find(name);
    if (found == worker.labels().end() || found->second != value) {
      return absl::StrCat("the worker has no label ", name, "=", value);
    }
  }
  if (checkpoint_format != 0 && static_cast<int>(worker.checkpoint_format()) != checkpoint_format) {
    return absl::StrCat("the checkpoint has format ", checkpoint_format, ", the worker reads ",
                        worker.checkpoint_format());
  }
  return "";
}

}  // namespace espalier::server
