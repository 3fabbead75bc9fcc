#include "core/export/plain_shape.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "core/spec/families.h"

namespace espalier {
namespace {

using Source = PlainShape::Source;

absl::Status refused(const std::string& why) {
  return absl::FailedPreconditionError(
      absl::StrCat("a plain transformers folder cannot hold this artifact: ", why,
                   "; the format onnx holds every artifact"));
}

std::string architecture_of(const ModelConfig& config) {
  std::string task = "MaskedLM";
  if (config.head == HeadKind::kMaskedLm && config.classes > 0) task = "PreTraining";
  if (config.head == HeadKind::kToken)
    task = config.spans ? "QuestionAnswering" : "TokenClassification";
  if (config.head == HeadKind::kSequence)
    task = config.reads_images() ? "ImageClassification" : "SequenceClassification";
  return absl::StrCat(facts_of(config).class_prefix, "For", task);
}

// Sub-layers in their order, each in the first layer that has a place for it.
std::vector<Source> dealt_out(const ModelConfig& config) {
  std::vector<Source> out;
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    const bool attends = config.head_count(i) > 0, feeds = config.layers[i].neurons > 0;
    if (attends) out.push_back({i, -1});
    if (!feeds) continue;
    if (out.empty() || out.back().ffn >= 0) out.push_back({});
    out.back().ffn = i;
  }
  return out;
}

absl::StatusOr<std::vector<Source>> sources(const ModelConfig& config) {
  if (config.norm_first) {
    std::vector<Source> out;
    for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
      if (config.head_count(i) == 0 && config.layers[i].neurons == 0) continue;
      out.push_back({config.head_count(i) > 0 ? i : -1, config.layers[i].neurons > 0 ? i : -1});
    }
    return out;
  }
  std::vector<Source> out = dealt_out(config);
  for (const Source& layer : out) {
    if (layer.attention >= 0 && layer.ffn >= 0) continue;
    const bool attends = layer.attention >= 0;
    return refused(absl::StrCat(
        "layer ", attends ? layer.attention : layer.ffn, " (the first is 0) is left with its ",
        attends ? "attention" : "FFN", " alone and no neighbour has the other half for it, and ",
        facts_of(config).title,
        " has a norm behind every sub-layer, which would not let the "
        "states pass as they are"));
  }
  return out;
}

absl::Status check_widths(const ModelConfig& config) {
  for (const LayerShape& layer : config.layers) {
    if (layer.kept_heads.empty() || config.original_heads * layer.head_dim == config.hidden)
      continue;
    return refused(absl::StrCat("its hidden size is ", config.hidden, ", but ",
                                config.original_heads, " heads of ", layer.head_dim, " make ",
                                config.original_heads * layer.head_dim,
                                "; hidden units that were pruned cannot be filled up with zeros, "
                                "because the norms would count them"));
  }
  return absl::OkStatus();
}

ModelConfig filled_up(const ModelConfig& config, size_t layers) {
  ModelConfig out = config;
  LayerShape full{{}, config.hidden / config.original_heads, 1};
  for (int h = 0; h < config.original_heads; ++h) full.kept_heads.push_back(h);
  for (const LayerShape& layer : config.layers)
    full.neurons = std::max(full.neurons, layer.neurons);
  out.layers.assign(layers, full);
  out.linears.clear();
  out.heads.clear();
  return out;
}

Json plain_json(const PlainShape& shape, const StoredArtifact& artifact) {
  Json out = write_model_config(shape.config);
  out.erase("espalier");
  out["architectures"] = {shape.architecture};
  // transformers writes it no more; converters of other engines still ask for it.
  for (const char* family : {"bert", "electra", "roberta"}) {
    if (out.at("model_type") == family) out["position_embedding_type"] = "absolute";
  }
  if (shape.config.label_names.empty() && shape.config.classes > 0 &&
      shape.config.head != HeadKind::kMaskedLm) {
    out["num_labels"] = shape.config.classes;
  }
  if (artifact.task.objective == Objective::kLabels)
    out["problem_type"] = "multi_label_classification";
  if (artifact.task.objective == Objective::kValue) out["problem_type"] = "regression";
  return out;
}

// What transformers takes its config.json to mean must be what the artifact is.
absl::Status check_meaning(const PlainShape& shape) {
  const absl::StatusOr<ModelConfig> read = read_model_config(shape.json);
  if (!read.ok()) return refused(std::string(read.status().message()));
  const Json wanted = write_model_config(shape.config)["espalier"],
             found = write_model_config(*read)["espalier"];
  for (const auto& [key, value] : wanted.items()) {
    if (key == "image" || key == "head_dropout" || found.value(key, Json()) == value) continue;
    return refused(absl::StrCat("its ", key, " is ", value.dump(), ", and ", shape.architecture,
                                " has ", found.value(key, Json()).dump()));
  }
  return absl::OkStatus();
}

void note_zeros(const ModelConfig& config, PlainShape& shape) {
  const LayerShape& full = shape.config.layers.empty() ? LayerShape{} : shape.config.layers.front();
  for (size_t i = 0; i < shape.layers.size(); ++i) {
    const Source& from = shape.layers[i];
    const size_t heads = from.attention < 0 ? 0 : config.layers[from.attention].kept_heads.size();
    const int neurons = from.ffn < 0 ? 0 : config.layers[from.ffn].neurons;
    if (heads == full.kept_heads.size() && neurons == full.neurons) continue;
    shape.notes.push_back(absl::StrCat("layer ", i, ": ", heads, " of ", full.kept_heads.size(),
                                       " heads and ", neurons, " of ", full.neurons,
                                       " neurons are the artifact's, the others are zeros"));
  }
}

std::vector<std::string> factored_layers(const ModelConfig& config) {
  std::vector<std::string> out;
  for (const auto& [name, linear] : config.linears) {
    if (linear.kind == LinearShape::Kind::kFactored) out.push_back(name);
  }
  return out;
}

void note(const ModelConfig& config, PlainShape& shape) {
  if (shape.layers.size() < config.layers.size()) {
    shape.notes.push_back(absl::StrCat(shape.layers.size(),
                                       " layers hold the sub-layers that are "
                                       "left of ",
                                       config.layers.size()));
  }
  note_zeros(config, shape);
  if (const auto factored = factored_layers(config); !factored.empty()) {
    shape.notes.push_back(
        absl::StrCat("stored as two factors, here multiplied: ", absl::StrJoin(factored, ", ")));
  }
  if (!config.heads.empty()) {
    shape.notes.push_back(absl::StrCat("its ", config.heads.size(),
                                       " early exits are left out: "
                                       "every input goes through all layers"));
  }
}

}  // namespace

absl::StatusOr<PlainShape> plain_shape(const StoredArtifact& artifact) {
  const ModelConfig& config = artifact.config;
  PlainShape out;
  ESPALIER_RETURN_IF_ERROR(check_widths(config));
  ESPALIER_ASSIGN_OR_RETURN(out.layers, sources(config));
  out.config = filled_up(config, out.layers.size());
  out.architecture = architecture_of(config);
  out.json = plain_json(out, artifact);
  ESPALIER_RETURN_IF_ERROR(check_meaning(out));
  note(config, out);
  return out;
}

}  // namespace espalier
