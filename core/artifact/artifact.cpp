#include "core/artifact/artifact.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/artifact/as_stored.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/model/load.h"
#include "core/spec/families.h"
#include "core/spec/stored_weights.h"
#include "core/spec/tasks.h"
#include "core/spec/tokenizer_files.h"
#include "core/spec/weight_files.h"

namespace espalier {
namespace fs = std::filesystem;
namespace {

Json to_json(const ArtifactSpec& spec) {
  Json out = {{"format", artifact_format(spec.precision)},
              {"task", spec.task},
              {"label_names", spec.label_names},
              {"max_length", spec.max_length},
              {"precision", precision_name(spec.precision)},
              {"exit", nullptr}};
  if (spec.exit) {
    out["exit"] = {{"method", spec.exit->method},
                   {"threshold", spec.exit->threshold},
                   {"low", spec.exit->low},
                   {"high", spec.exit->high}};
  }
  return out;
}

absl::StatusOr<ArtifactSpec> spec_from(const Json& json, const std::string& path) {
  return guard(path.c_str(), [&]() -> absl::StatusOr<ArtifactSpec> {
    ArtifactSpec spec;
    ESPALIER_ASSIGN_OR_RETURN(spec.precision, stated_precision(json, path));
    spec.task = json.at("task").get<std::string>();
    spec.label_names = json.at("label_names").get<std::vector<std::string>>();
    spec.max_length = json.at("max_length").get<int>();
    if (const Json& exit = json.at("exit"); !exit.is_null()) {
      spec.exit = ExitSpec{exit.at("method").get<std::string>(), exit.at("threshold").get<double>(),
                           exit.at("low").get<double>(), exit.at("high").get<double>()};
    }
    return spec;
  });
}

// The tensors that the config demands, in fp32.
absl::StatusOr<std::map<std::string, Tensor>> read_weights(const std::string& folder,
                                                           const ModelConfig& config,
                                                           Precision precision) {
  ESPALIER_ASSIGN_OR_RETURN(const WeightFiles weights, WeightFiles::open_single(folder));
  ESPALIER_RETURN_IF_ERROR(check_stored_weights(weights, config, precision));
  std::map<std::string, Tensor> out;
  for (const auto& [name, shape] : expected_tensors(config)) {
    Tensor tensor = at::empty(shape, at::kFloat);
    read_stored(weights, name, tensor.mutable_data_ptr<float>());
    out[name] = tensor;
  }
  return out;
}

}  // namespace

absl::Status save_spec(const std::string& folder, const ArtifactSpec& spec) {
  return write_file(folder + "/espalier.json", to_json(spec).dump(2) + "\n");
}

absl::Status save_artifact(const std::string& folder, const Model& model, const ArtifactSpec& spec,
                           const std::string& tokenizer_folder, const Golden& golden) {
  ESPALIER_RETURN_IF_ERROR(make_folders(folder));
  Model stored = as_stored(model, spec.precision);
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  stored.config.problem = problem_of(kind.objective);
  stored.config.label_names.clear();
  if (labels_name_outputs(kind.objective)) stored.config.label_names = spec.label_names;
  ESPALIER_RETURN_IF_ERROR(
      write_file(folder + "/config.json", write_model_config(stored.config).dump(2) + "\n"));
  ESPALIER_RETURN_IF_ERROR(save_tensors(
      folder + "/model.safetensors", stored_tensors(stored, spec.precision), {{"format", "pt"}}));
  ESPALIER_RETURN_IF_ERROR(save_spec(folder, spec));
  ESPALIER_RETURN_IF_ERROR(copy_tokenizer_files(tokenizer_folder, folder));
  return save_golden(folder, golden);
}

absl::StatusOr<Artifact> load_artifact(const std::string& folder) {
  Artifact out;
  ESPALIER_ASSIGN_OR_RETURN(Json spec, read_json(folder + "/espalier.json"));
  ESPALIER_ASSIGN_OR_RETURN(out.spec, spec_from(spec, folder + "/espalier.json"));
  ESPALIER_ASSIGN_OR_RETURN(Json config_json, read_json(folder + "/config.json"));
  ESPALIER_ASSIGN_OR_RETURN(ModelConfig config, read_model_config(config_json));
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(out.spec.task));
  ESPALIER_RETURN_IF_ERROR(check_reads(kind, reads_of(config), facts_of(config).model_type));
  const int outputs = head_outputs(kind.objective, static_cast<int>(out.spec.label_names.size()));
  if (config.classes != outputs || config.head != kind.head) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder, ": config.json has ", config.classes,
        config.head == HeadKind::kToken ? " classes a token" : " classes", " but espalier.json, a ",
        out.spec.task, ", names ", out.spec.label_names.size(), " labels"));
  }
  config.spans = kind.objective == Objective::kSpan;  // config.json did not always say so
  auto tensors = read_weights(folder, config, out.spec.precision);
  if (!tensors.ok()) {
    return absl::Status(tensors.status().code(),
                        absl::StrCat(folder, ": ", tensors.status().message()));
  }
  ESPALIER_ASSIGN_OR_RETURN(out.model, assemble_model(config, *std::move(tensors)));
  ESPALIER_ASSIGN_OR_RETURN(out.weights_sha256, sha256_of_file(folder + "/model.safetensors"));
  return out;
}

}  // namespace espalier
