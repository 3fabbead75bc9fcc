#include "core/artifact/artifact.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/model/load.h"
#include "core/spec/families.h"
#include "core/spec/tasks.h"

namespace espalier {
namespace fs = std::filesystem;
namespace {

constexpr int kFormat = 1;
const char* const kTokenizerFiles[] = {"vocab.txt",
                                       "vocab.json",
                                       "merges.txt",
                                       "tokenizer.json",
                                       "added_tokens.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json"};

// Masks become zeros: an artifact is served, not trained.
Model without_masks(const Model& model) {
  Model out = model.clone();
  out.for_each_linear([](const std::string&, Linear& linear) {
    if (!linear.mask.defined()) return;
    linear.weight = linear.effective_weight();
    linear.mask = Tensor();
  });
  std::erase_if(out.config.linears,
                [](const auto& entry) { return entry.second.kind == LinearShape::Kind::kMasked; });
  return out;
}

Json to_json(const ArtifactSpec& spec) {
  Json out = {{"format", kFormat},
              {"task", spec.task},
              {"label_names", spec.label_names},
              {"max_length", spec.max_length},
              {"precision", spec.precision},
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
    if (int format = json.at("format").get<int>(); format != kFormat) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, " has format ", format, "; this build reads format ", kFormat));
    }
    ArtifactSpec spec;
    spec.task = json.at("task").get<std::string>();
    spec.label_names = json.at("label_names").get<std::vector<std::string>>();
    spec.max_length = json.at("max_length").get<int>();
    spec.precision = json.at("precision").get<std::string>();
    if (const Json& exit = json.at("exit"); !exit.is_null()) {
      spec.exit = ExitSpec{exit.at("method").get<std::string>(), exit.at("threshold").get<double>(),
                           exit.at("low").get<double>(), exit.at("high").get<double>()};
    }
    return spec;
  });
}

}  // namespace

absl::Status save_spec(const std::string& folder, const ArtifactSpec& spec) {
  return write_file(folder + "/espalier.json", to_json(spec).dump(2) + "\n");
}

absl::Status save_artifact(const std::string& folder, const Model& model, const ArtifactSpec& spec,
                           const std::string& tokenizer_folder, const Golden& golden) {
  ESPALIER_RETURN_IF_ERROR(make_folders(folder));
  Model stored = without_masks(model.to(at::kCPU));
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  stored.config.problem = problem_of(kind.objective);
  stored.config.label_names.clear();
  if (labels_name_outputs(kind.objective)) stored.config.label_names = spec.label_names;
  ESPALIER_RETURN_IF_ERROR(
      write_file(folder + "/config.json", write_model_config(stored.config).dump(2) + "\n"));
  ESPALIER_RETURN_IF_ERROR(
      save_tensors(folder + "/model.safetensors", stored.tensors(), {{"format", "pt"}}));
  ESPALIER_RETURN_IF_ERROR(save_spec(folder, spec));
  for (const char* name : kTokenizerFiles) {
    std::string from = absl::StrCat(tokenizer_folder, "/", name);
    if (!fs::exists(from)) continue;
    ESPALIER_ASSIGN_OR_RETURN(std::string content, read_file(from));
    ESPALIER_RETURN_IF_ERROR(write_file(absl::StrCat(folder, "/", name), content));
  }
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
  ESPALIER_ASSIGN_OR_RETURN(auto tensors, load_tensors(folder + "/model.safetensors"));
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kFloat);
  ESPALIER_ASSIGN_OR_RETURN(out.model, assemble_model(config, std::move(tensors)));
  ESPALIER_ASSIGN_OR_RETURN(out.weights_sha256, sha256_of_file(folder + "/model.safetensors"));
  return out;
}

}  // namespace espalier
