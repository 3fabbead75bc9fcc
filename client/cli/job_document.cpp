#include "client/cli/job_document.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/exit_code.h"
#include "client/cli/yaml_json.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// What a user may say about a job beside its recipe; the other fields of v1.Job are the service's.
const std::vector<std::string> kJobFields = {"model",         "dataset",  "artifact_id",
                                             "display_name",  "labels",   "after",
                                             "worker_labels", "priority", "teachers"};

bool is_job_field(const std::string& name) {
  return std::find(kJobFields.begin(), kJobFields.end(), name) != kJobFields.end();
}

std::vector<std::string> field_names(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

absl::Status unknown_field(const std::string& path, const std::vector<std::string>& known) {
  return usage_error(
      absl::StrCat("unknown field \"", path, "\"; known here: ", absl::StrJoin(known, ", ")));
}

// Refuses unknown names at any depth and spells out `pruner: taylor` as {name: taylor}.
absl::Status normalize(const Descriptor& type, const std::string& path, Json& value);

// A number may be written as text, and proto3's JSON has words for those that are not finite.
absl::Status check_number(const FieldDescriptor& field, const std::string& path,
                          const Json& value) {
  double number = 0;
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE || !value.is_string() ||
      !absl::SimpleAtod(value.get<std::string>(), &number) || std::isfinite(number)) {
    return absl::OkStatus();
  }
  return usage_error(absl::StrCat(path, " is ", value.dump(), "; it must be a finite number"));
}

absl::Status normalize_field(const FieldDescriptor& field, const std::string& path, Json& value) {
  ESPALIER_RETURN_IF_ERROR(check_number(field, path, value));
  if (field.message_type() == nullptr || field.is_map()) return absl::OkStatus();
  if (!field.is_repeated()) return normalize(*field.message_type(), path, value);
  if (!value.is_array()) value = Json::array({value});
  for (size_t i = 0; i < value.size(); ++i) {
    ESPALIER_RETURN_IF_ERROR(
        normalize(*field.message_type(), absl::StrCat(path, ".", i), value[i]));
  }
  return absl::OkStatus();
}

absl::Status normalize(const Descriptor& type, const std::string& path, Json& value) {
  if (type.full_name() == "google.protobuf.Struct") return absl::OkStatus();
  if (&type == v1::MethodChoice::descriptor() && value.is_string()) value = Json{{"name", value}};
  if (value.is_null()) return absl::OkStatus();
  if (!value.is_object()) {
    return usage_error(absl::StrCat("\"", path, "\" is ", value.dump(), ", but it has fields: ",
                                    absl::StrJoin(field_names(type), ", ")));
  }
  for (auto& [key, member] : value.items()) {
    const std::string below = absl::StrCat(path, ".", key);
    const auto* field = type.FindFieldByName(key);
    if (field == nullptr) return unknown_field(below, field_names(type));
    ESPALIER_RETURN_IF_ERROR(normalize_field(*field, below, member));
  }
  return absl::OkStatus();
}

// "key=value" with the value read as YAML.
absl::StatusOr<std::pair<std::string, Json>> key_value(const std::string& text,
                                                       const std::string& flag) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return usage_error(absl::StrCat(flag, " \"", text, "\" is not key=value"));
  }
  const std::string key = text.substr(0, equals);
  ESPALIER_ASSIGN_OR_RETURN(auto value, yaml_to_json(text.substr(equals + 1), flag, key));
  return std::pair(key, std::move(value));
}

// A method choice in its long form, so that options can be put into it.
Json& as_choice(Json& choice) {
  if (!choice.is_object()) choice = choice.is_string() ? Json{{"name", choice}} : Json::object();
  return choice;
}

absl::Status set_options(const std::vector<std::string>& options, const std::string& flag,
                         Json& choice) {
  for (const auto& option : options) {
    ESPALIER_ASSIGN_OR_RETURN(auto pair, key_value(option, flag));
    as_choice(choice)["options"][pair.first] = pair.second;
  }
  return absl::OkStatus();
}

// name.key=value: the distiller by its name, which must be among the chosen ones.
absl::Status set_distiller_options(const std::vector<std::string>& options, Json& recipe) {
  for (const auto& option : options) {
    ESPALIER_ASSIGN_OR_RETURN(auto pair, key_value(option, "--distiller-option"));
    const auto dot = pair.first.find('.');
    const std::string name = pair.first.substr(0, dot);
    Json* chosen = nullptr;
    for (auto& choice : recipe["distillers"]) {
      if (as_choice(choice).value("name", "") == name) chosen = &choice;
    }
    if (dot == std::string::npos || chosen == nullptr) {
      return usage_error(
          absl::StrCat("--distiller-option \"", option,
                       "\" is not name.key=value with the name of a chosen distiller; choose it "
                       "with --distiller"));
    }
    (*chosen)["options"][pair.first.substr(dot + 1)] = pair.second;
  }
  return absl::OkStatus();
}

// JSON knows no nan and no inf: it would turn them into null, as if the flag were not given.
absl::Status check_numbers(const JobFlags& flags) {
  const std::pair<const char*, std::optional<double>> numbers[] = {
      {"--sparsity", flags.sparsity},         {"--speedup", flags.speedup},
      {"--latency-ms", flags.latency_ms},     {"--size-bytes", flags.size_bytes},
      {"--max-drop", flags.max_drop},         {"--finetune-epochs", flags.finetune_epochs},
      {"--prune-epochs", flags.prune_epochs}, {"--recover-epochs", flags.recover_epochs},
      {"--exit-epochs", flags.exit_epochs}};
  for (const auto& [flag, number] : numbers) {
    if (number && !std::isfinite(*number)) {
      return usage_error(absl::StrCat(flag, " is ", *number, "; it must be a finite number"));
    }
  }
  return absl::OkStatus();
}

// Options alone say nothing: `flag` needs the method that they are for.
absl::Status check_chosen(const std::vector<std::string>& options, const std::string& flag,
                          const Json& choice) {
  if (options.empty() || choice.is_string() || choice.contains("name")) return absl::OkStatus();
  return usage_error(absl::StrCat(flag, "-option needs ", flag));
}

// A goal of the flags takes the place of the file's; its milestones stay, for the service to judge.
void set_target(const JobFlags& flags, Json& recipe) {
  const Json target = recipe.value("target", Json::object());
  const Json milestones = target.is_object() ? target.value("milestones", Json()) : Json();
  if (flags.sparsity) recipe["target"] = {{"sparsity", *flags.sparsity}};
  if (flags.speedup) recipe["target"] = {{"speedup", {{"factor", *flags.speedup}}}};
  if (flags.latency_ms) recipe["target"] = {{"latency", {{"milliseconds", *flags.latency_ms}}}};
  if (flags.size_bytes) recipe["target"] = {{"size", {{"bytes", *flags.size_bytes}}}};
  if (!milestones.is_null()) recipe["target"]["milestones"] = milestones;
  if (flags.max_drop) recipe["constraint"]["max_metric_drop"] = *flags.max_drop;
  if (flags.search) recipe["constraint"]["search"] = true;
}

absl::Status set_milestones(const std::vector<std::string>& milestones, Json& recipe) {
  if (milestones.empty()) return absl::OkStatus();
  Json values = Json::array();
  for (const std::string& text : milestones) {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !std::isfinite(value))
      return usage_error(absl::StrCat("--milestone is ", text, "; it must be a finite number"));
    values.push_back(value);
  }
  recipe["target"]["milestones"] = std::move(values);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Json> read_recipe_document(const std::string& yaml, const std::string& origin) {
  ESPALIER_ASSIGN_OR_RETURN(auto written, yaml_to_json(yaml, origin));
  if (!written.is_object()) {
    return usage_error(absl::StrCat(origin, " is no recipe: it must hold \"key: value\" lines"));
  }
  Json document = {{"recipe", Json::object()}};
  for (auto& [key, value] : written.items()) {
    if (key == "artifact") {
      document["artifact_id"] = value;
    } else if (is_job_field(key)) {
      document[key] = value;
    } else if (v1::Recipe::descriptor()->FindFieldByName(key) != nullptr) {
      document["recipe"][key] = value;
    } else {
      auto known = field_names(*v1::Recipe::descriptor());
      known.insert(known.begin(), {"model", "dataset", "artifact", "display_name", "labels",
                                   "after", "worker_labels", "priority", "teachers"});
      auto status = unknown_field(key, known);
      return usage_error(absl::StrCat(origin, ": ", std::string(status.message())));
    }
  }
  return document;
}

absl::Status assign(const std::string& assignment, Json& document) {
  ESPALIER_ASSIGN_OR_RETURN(auto pair, key_value(assignment, "--set"));
  std::vector<std::string> path = absl::StrSplit(pair.first, '.');
  if (path[0] != "recipe" && !is_job_field(path[0])) path.insert(path.begin(), "recipe");
  Json* at = &document;
  for (const auto& part : path) {
    size_t index = 0;
    if (at->is_array()) {
      if (!absl::SimpleAtoi(part, &index) || index >= at->size()) {
        return usage_error(absl::StrCat("--set ", pair.first, ": \"", part,
                                        "\" is no place in a list of ", at->size()));
      }
      at = &(*at)[index];
      continue;
    }
    // A method by its name alone becomes {name: ...}, so that its options can be reached.
    if (at->is_string()) *at = Json{{"name", *at}};
    if (!at->is_object() && !at->is_null()) {
      return usage_error(
          absl::StrCat("--set ", pair.first, ": ", at->dump(), " has no field \"", part, "\""));
    }
    at = &(*at)[part];
  }
  *at = pair.second;
  return absl::OkStatus();
}

absl::Status apply_flags(const JobFlags& flags, Json& document) {
  ESPALIER_RETURN_IF_ERROR(check_numbers(flags));
  Json& recipe = document["recipe"];
  if (!flags.model.empty()) document["model"] = flags.model;
  if (!flags.dataset.empty()) document["dataset"] = flags.dataset;
  if (!flags.artifact.empty()) document["artifact_id"] = flags.artifact;
  if (!flags.base_recipe.empty()) recipe["recipe"] = flags.base_recipe;
  for (const auto& label : flags.labels) {
    ESPALIER_ASSIGN_OR_RETURN(auto pair, key_value(label, "--label"));
    document["labels"][pair.first] =
        pair.second.is_string() ? pair.second : Json(pair.second.dump());
  }
  set_target(flags, recipe);
  ESPALIER_RETURN_IF_ERROR(set_milestones(flags.milestones, recipe));
  if (flags.refit) recipe["refit"] = true;
  if (!flags.teachers.empty()) document["teachers"] = flags.teachers;
  if (!flags.pruner.empty()) recipe["pruner"] = {{"name", flags.pruner}};
  if (!flags.exit.empty()) recipe["exit"] = {{"name", flags.exit}};
  if (!flags.distillers.empty()) recipe["distillers"] = flags.distillers;
  ESPALIER_RETURN_IF_ERROR(set_options(flags.pruner_options, "--pruner-option", recipe["pruner"]));
  ESPALIER_RETURN_IF_ERROR(set_options(flags.exit_options, "--exit-option", recipe["exit"]));
  ESPALIER_RETURN_IF_ERROR(set_distiller_options(flags.distiller_options, recipe));
  if (flags.finetune_epochs) recipe["finetune"]["epochs"] = *flags.finetune_epochs;
  if (flags.prune_epochs) recipe["prune"]["epochs"] = *flags.prune_epochs;
  if (flags.recover_epochs) recipe["recover"]["epochs"] = *flags.recover_epochs;
  if (flags.exit_epochs) recipe["exits"]["epochs"] = *flags.exit_epochs;
  if (!flags.precision.empty()) recipe["precision"] = flags.precision;
  if (flags.seed) recipe["seed"] = *flags.seed;
  if (flags.max_length) recipe["max_length"] = *flags.max_length;
  for (const auto& assignment : flags.assignments)
    ESPALIER_RETURN_IF_ERROR(assign(assignment, document));
  ESPALIER_RETURN_IF_ERROR(check_chosen(flags.pruner_options, "--pruner", recipe["pruner"]));
  ESPALIER_RETURN_IF_ERROR(check_chosen(flags.exit_options, "--exit", recipe["exit"]));
  for (const char* unset : {"pruner", "exit", "distillers"}) {
    if (recipe[unset].is_null()) recipe.erase(unset);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Job> to_job(const Json& document) {
  Json job = document;
  for (auto& [key, value] : job.items()) {
    if (key == "recipe") {
      ESPALIER_RETURN_IF_ERROR(normalize(*v1::Recipe::descriptor(), "recipe", value));
    } else if (!is_job_field(key)) {
      return unknown_field(key, kJobFields);
    }
  }
  v1::Job message;
  auto status = google::protobuf::util::JsonStringToMessage(job.dump(), &message);
  if (!status.ok()) {
    return usage_error(absl::StrCat("the job cannot be read: ", std::string(status.message())));
  }
  return message;
}

absl::StatusOr<v1::Job> job_of(const JobFlags& flags) {
  Json document = {{"recipe", Json::object()}};
  if (!flags.recipe_file.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(auto yaml, read_file(flags.recipe_file));
    ESPALIER_ASSIGN_OR_RETURN(document, read_recipe_document(yaml, flags.recipe_file));
  }
  ESPALIER_RETURN_IF_ERROR(apply_flags(flags, document));
  ESPALIER_ASSIGN_OR_RETURN(auto job, to_job(document));
  if (job.model().empty()) {
    return usage_error("no model; give --model NAME, or \"model: NAME\" in the recipe file");
  }
  return job;
}

}  // namespace espalier::cli
