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

const Struct& inner(const Struct& object, const std::string& field) {
  static const Struct kNothing;
  const auto found = object.fields().find(field);
  return found == object.fields().end() ? kNothing : found->second.struct_value();
}

// Fields of recipes that workers of protocol 1 refuse, at the price of the whole job.
bool asks_for_protocol_2(const espalier::v1::Job& job) {
  const Struct& recipe = job.resolved_recipe();
  const Struct &target = inner(recipe, "target"), &constraint = inner(recipe, "constraint");
  return recipe.fields().contains("refit") || target.fields().contains("milestones") ||
         inner(target, "size").fields().contains("bytes") ||
         constraint.fields().contains("search") || constraint.fields().contains("confidence");
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
  if (worker.protocol_version() < 2 && (!job.teachers().empty() || asks_for_protocol_2(job)))
    return "the worker is of a build that does not know all that the job asks for";
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
