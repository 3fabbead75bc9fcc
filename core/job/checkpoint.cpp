#include "core/job/checkpoint.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/model/load.h"

namespace espalier {
namespace fs = std::filesystem;
namespace {

// States' numbers go into the checkpoint's own JSON, their tensors into files.
absl::StatusOr<Json> save_states(const std::string& prefix, const std::vector<State>& states) {
  Json numbers = Json::array();
  for (size_t i = 0; i < states.size(); ++i) {
    numbers.push_back(states[i].json);
    ESPALIER_RETURN_IF_ERROR(
        save_tensors(absl::StrCat(prefix, i, ".safetensors"), states[i].tensors));
  }
  return numbers;
}

absl::StatusOr<std::vector<State>> load_states(const std::string& prefix, const Json& numbers) {
  std::vector<State> out;
  for (const Json& one : numbers) {
    ESPALIER_ASSIGN_OR_RETURN(auto tensors,
                              load_tensors(absl::StrCat(prefix, out.size(), ".safetensors")));
    out.push_back({std::move(tensors), one});
  }
  return out;
}

constexpr char kDistiller[] = "distiller-";
std::string milestone_name(size_t i) { return absl::StrCat("milestone-", i); }

absl::Status save_model(const std::string& folder, const std::string& name, const Model& model) {
  Json config = write_model_config(model.config);
  ESPALIER_RETURN_IF_ERROR(write_file(absl::StrCat(folder, "/", name, ".json"), config.dump()));
  return save_tensors(absl::StrCat(folder, "/", name, ".safetensors"), model.tensors());
}

absl::StatusOr<Model> load_model(const std::string& folder, const std::string& name) {
  ESPALIER_ASSIGN_OR_RETURN(Json json, read_json(absl::StrCat(folder, "/", name, ".json")));
  ESPALIER_ASSIGN_OR_RETURN(ModelConfig config, read_model_config(json));
  ESPALIER_ASSIGN_OR_RETURN(auto tensors,
                            load_tensors(absl::StrCat(folder, "/", name, ".safetensors")));
  return assemble_model(config, std::move(tensors));
}

}  // namespace

absl::Status save_checkpoint(const std::string& folder, const JobState& state) {
  std::string aside = folder + ".new", old = folder + ".old";
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  fs::remove_all(old, ignored);
  ESPALIER_RETURN_IF_ERROR(make_folders(aside));
  ESPALIER_RETURN_IF_ERROR(save_model(aside, "model", state.model));
  if (state.dense) ESPALIER_RETURN_IF_ERROR(save_model(aside, "dense", *state.dense));
  Json json = {{"next_phase", state.next_phase}, {"facts", state.facts}, {"trainer", nullptr}};
  if (state.trainer) {
    json["trainer"] = state.trainer->json;
    ESPALIER_RETURN_IF_ERROR(save_tensors(aside + "/trainer.safetensors", state.trainer->tensors));
  }
  ESPALIER_ASSIGN_OR_RETURN(json["distillers"],
                            save_states(absl::StrCat(aside, "/", kDistiller), state.distillers));
  json["milestones"] = Json::array();
  for (size_t i = 0; i < state.milestones.size(); ++i) {
    const std::string name = milestone_name(i);
    ESPALIER_RETURN_IF_ERROR(save_model(aside, name, state.milestones[i].model));
    ESPALIER_ASSIGN_OR_RETURN(Json numbers,
                              save_states(absl::StrCat(aside, "/", name, "-", kDistiller),
                                          state.milestones[i].distillers));
    json["milestones"].push_back(
        {{"value", state.milestones[i].value}, {"distillers", std::move(numbers)}});
  }
  json["passed"] = state.passed;
  ESPALIER_RETURN_IF_ERROR(write_file(aside + "/state.json", json.dump()));
  std::error_code error;
  if (fs::exists(folder)) fs::rename(folder, old, error);
  if (!error) fs::rename(aside, folder, error);
  if (error)
    return absl::InternalError(absl::StrCat("cannot replace ", folder, ": ", error.message()));
  fs::remove_all(old, ignored);
  return sync_folder(fs::path(folder).parent_path().string());
}

absl::StatusOr<JobState> load_checkpoint(const std::string& path) {
  // Killed between the two renames of a save, the one before stands aside, whole.
  const bool is_aside = !fs::exists(path + "/state.json") && fs::exists(path + ".old/state.json");
  const std::string folder = is_aside ? path + ".old" : path;
  if (!fs::exists(folder + "/state.json")) return absl::NotFoundError("no checkpoint");
  JobState state;
  ESPALIER_ASSIGN_OR_RETURN(Json json, read_json(folder + "/state.json"));
  state.next_phase = json.at("next_phase").get<int>();
  state.facts = json.at("facts");
  ESPALIER_ASSIGN_OR_RETURN(state.model, load_model(folder, "model"));
  if (fs::exists(folder + "/dense.json")) {
    ESPALIER_ASSIGN_OR_RETURN(state.dense, load_model(folder, "dense"));
  }
  if (!json.at("trainer").is_null()) {
    state.trainer.emplace();
    state.trainer->json = json.at("trainer");
    ESPALIER_ASSIGN_OR_RETURN(state.trainer->tensors,
                              load_tensors(folder + "/trainer.safetensors"));
  }
  ESPALIER_ASSIGN_OR_RETURN(state.distillers, load_states(absl::StrCat(folder, "/", kDistiller),
                                                          json.value("distillers", Json::array())));
  state.passed = json.value("passed", size_t{0});
  for (const Json& saved : json.value("milestones", Json::array())) {
    const std::string name = milestone_name(state.milestones.size());
    Milestone one;
    one.value = saved.at("value").get<double>();
    ESPALIER_ASSIGN_OR_RETURN(one.model, load_model(folder, name));
    ESPALIER_ASSIGN_OR_RETURN(
        one.distillers,
        load_states(absl::StrCat(folder, "/", name, "-", kDistiller), saved.at("distillers")));
    state.milestones.push_back(std::move(one));
  }
  return state;
}

}  // namespace espalier
