#include "core/job/checkpoint.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/model/load.h"

namespace espalier {
namespace fs = std::filesystem;
namespace {

// A state's numbers go into the checkpoint's own JSON, its tensors into a file.
std::string tensors_of(const std::string& folder, size_t distiller) {
  return absl::StrCat(folder, "/distiller-", distiller, ".safetensors");
}

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
  json["distillers"] = Json::array();
  for (size_t i = 0; i < state.distillers.size(); ++i) {
    json["distillers"].push_back(state.distillers[i].json);
    ESPALIER_RETURN_IF_ERROR(save_tensors(tensors_of(aside, i), state.distillers[i].tensors));
  }
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
  for (const Json& numbers : json.value("distillers", Json::array())) {
    State& one = state.distillers.emplace_back();
    one.json = numbers;
    ESPALIER_ASSIGN_OR_RETURN(one.tensors,
                              load_tensors(tensors_of(folder, state.distillers.size() - 1)));
  }
  return state;
}

}  // namespace espalier
