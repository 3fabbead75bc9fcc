#include "core/spec/model_folder.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/bounded_files.h"
#include "core/spec/families.h"
#include "core/spec/image_settings.h"
#include "core/spec/stored_weights.h"
#include "core/spec/tokenizer_files.h"
#include "core/spec/weight_files.h"
#include "core/spec/weight_values.h"

namespace espalier {
namespace {

using Tensors = std::map<std::string, TensorInfo>;

constexpr uint64_t kMaxConfigBytes = 16 << 20;

absl::Status check_tensor(const std::string& stored, const TensorInfo& info,
                          const std::vector<int64_t>& shape) {
  if (info.shape != shape) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", stored, " has shape [", absl::StrJoin(info.shape, ", "),
                     "]; config.json demands [", absl::StrJoin(shape, ", "), "]"));
  }
  const bool is_mask = stored.size() > 5 && stored.compare(stored.size() - 5, 5, ".mask") == 0;
  const bool fits = is_mask ? info.dtype == "U8" || info.dtype == "BOOL"
                            : info.dtype == "F32" || info.dtype == "F16" || info.dtype == "BF16";
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", stored, " has dtype ", info.dtype,
                                                   "; it must be ",
                                                   is_mask ? "U8 or BOOL" : "F32, F16 or BF16"));
  }
  return absl::OkStatus();
}

// Checkpoints converted from TensorFlow call a norm's weight gamma and its bias beta.
std::string old_norm_name(const std::string& name) {
  const size_t at = name.rfind("LayerNorm.");
  if (at == std::string::npos) return "";
  const bool weight = absl::EndsWith(name, "LayerNorm.weight");
  return name.substr(0, at) + (weight ? "LayerNorm.gamma" : "LayerNorm.beta");
}

// What a message calls a tensor that is not there.
std::string missing_name(const ModelFolder& folder, const std::string& ours) {
  if (folder.has_our_names) return ours;
  const auto theirs = their_names(folder.config, ours);
  if (theirs.empty()) return ours;
  return theirs.front().prefixed ? folder.name_prefix + theirs.front().name : theirs.front().name;
}

bool holds(const Tensors& tensors, const ModelFolder& folder, const std::string& ours) {
  return !stored_name(tensors, folder, ours).empty();
}

// Whose names the tensors have: ours, or the family's with or without its prefix.
absl::Status find_names(const WeightFiles& weights, ModelFolder& out) {
  const FamilyFacts& facts = facts_of(out.config);
  const std::string probe =
      facts.reads_images() ? "embeddings.patch.weight" : "embeddings.word.weight";
  out.has_our_names = weights.tensors().count(probe) > 0;
  if (out.has_our_names) return absl::OkStatus();
  const std::string theirs = hugging_face_name(out.config, probe);
  if (weights.tensors().count(theirs) > 0) return absl::OkStatus();
  out.name_prefix = facts.prefix;
  if (weights.tensors().count(facts.prefix + theirs) > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      weights.title(), " has neither ", theirs, " nor ", facts.prefix, theirs, " among its ",
      weights.tensors().size(), " tensors; it holds no ", facts.title, " encoder"));
}

struct Head {
  HeadKind kind = HeadKind::kSequence;
  bool spans = false;
};
// In the order in which they are looked for.
constexpr Head kHeads[] = {{HeadKind::kSequence, false},
                           {HeadKind::kToken, false},
                           {HeadKind::kToken, true},
                           {HeadKind::kMaskedLm, false}};

// Whether the weights hold this head. DistilBERT's "classifier" is a sequence's or every
// token's: unless config.json says which, the sequence's has its dense layer beside it.
bool has_head(const Tensors& tensors, ModelFolder folder, const Head& head, bool stated) {
  const FamilyFacts& facts = facts_of(folder.config);
  const HeadKind kind = head.kind;
  if (facts.names.head.count(kind) == 0) return false;
  folder.config.spans = head.spans;
  auto stored_as = [&](HeadKind as, const char* ours) {
    folder.config.head = as;
    return stored_name(tensors, folder, ours);
  };
  if (kind == HeadKind::kMaskedLm) return !stored_as(kind, "lm.dense.weight").empty();
  const std::string classifier = stored_as(kind, "classifier.weight");
  if (classifier.empty() || stated || kind == HeadKind::kToken || !facts.pools_in_head()) {
    return !classifier.empty();
  }
  return !stored_as(kind, "pooler.weight").empty() ||
         classifier != stored_as(HeadKind::kToken, "classifier.weight");
}

// The head is the promised one if the weights hold it, else the first that they do; a checkpoint
// without any may get a sequence head.
void find_head(const Tensors& tensors, const StatedHead& stated, ModelFolder& out) {
  ModelConfig& config = out.config;
  Head head{stated.kind.value_or(HeadKind::kSequence), stated.spans};
  bool found = stated.kind && has_head(tensors, out, head, true);
  if (!found) head = {};
  for (const Head& other : kHeads) {
    if (found || (other.kind == HeadKind::kMaskedLm && !stated.tied)) continue;
    found = has_head(tensors, out, other, false);
    if (found) head = other;
  }
  change_head(config, head.kind, head.spans);
  if (config.head == HeadKind::kMaskedLm) {
    config.label_names.clear();
    config.classes = 0;  // a next-sentence classifier states its own
  }
  const FamilyFacts& facts = facts_of(config);
  const bool needs_pooler = facts.pools_in_head() && config.head == HeadKind::kSequence && found;
  const bool pools = needs_pooler || (facts.pools() && config.head != HeadKind::kToken &&
                                      holds(tensors, out, "pooler.weight"));
  config.pooler_width = pools ? config.hidden : 0;
}

// A checkpoint may come without its pooler or task head (a plain encoder); they are then made anew.
// One that has a head of unstated size states it by its shape.
absl::Status fit_head(const Tensors& tensors, ModelFolder& out) {
  ModelConfig& config = out.config;
  const std::string classifier = stored_name(tensors, out, "classifier.weight");
  if (classifier.empty()) {
    config.classes = 0;
    config.spans = false;
    config.label_names.clear();
  } else if (config.classes == 0) {
    const auto& shape = tensors.at(classifier).shape;
    if (shape.empty() || shape[0] < 1 || shape[0] > 65536) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", classifier, " must have 1 to 65536 rows"));
    }
    config.classes = static_cast<int>(shape[0]);
  }
  if (config.spans && config.classes != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", classifier,
                     " answers questions, for which it needs 2 rows (start and end); it has, or "
                     "config.json promises, ",
                     config.classes));
  }
  out.has_classifier = config.classes > 0 && config.head != HeadKind::kMaskedLm;
  return absl::OkStatus();
}

// An artifact in int8, by the scales beside its numbers.
absl::Status refuse_artifact_in_int8(const std::string& stored) {
  return absl::InvalidArgumentError(absl::StrCat(
      "tensor ", stored,
      " has dtype I8 and a scale beside it, so this is an artifact in int8, and a "
      "model's weights must be F32, F16 or BF16; upload the folder that `espalier artifacts export "
      "NAME FOLDER --format transformers` writes of it"));
}

absl::Status check_tensors(const WeightFiles& weights, const ModelFolder& folder) {
  const Tensors& tensors = weights.tensors();
  for (const auto& [ours, shape] : expected_tensors(folder.config)) {
    const std::string stored = stored_name(tensors, folder, ours);
    if (stored.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(weights.title(), " lacks the tensor ", missing_name(folder, ours),
                       ", which config.json demands; do they belong together?"));
    }
    const TensorInfo& info = tensors.at(stored);
    if (info.dtype == "I8" && tensors.count(scale_name(stored)) > 0)
      return refuse_artifact_in_int8(stored);
    ESPALIER_RETURN_IF_ERROR(check_tensor(
        stored, info, folder.has_our_names ? shape : their_shape(folder.config, ours, shape)));
    ESPALIER_RETURN_IF_ERROR(check_finite(stored, info, weights.data(stored)));
  }
  return absl::OkStatus();
}

// Tensors of the encoder that the config has no place for mean that the two do not belong together
// (a num_hidden_layers too small). Other heads, and buffers that can be made anew, are no matter.
absl::Status refuse_extra(const WeightFiles& weights, const ModelFolder& folder) {
  const FamilyFacts& facts = facts_of(folder.config);
  const std::string layers = folder.has_our_names ? "layers." : facts.names.layer;
  std::set<std::string> used;
  for (const auto& [ours, shape] : expected_tensors(folder.config)) {
    used.insert(stored_name(weights.tensors(), folder, ours));
  }
  for (const auto& [stored, info] : weights.tensors()) {
    if (used.count(stored) > 0 || !absl::StartsWith(stored, folder.name_prefix)) continue;
    const std::string name = stored.substr(folder.name_prefix.size());
    static const std::set<std::string> kBuffers = {
        "embeddings.position_ids", "embeddings.token_type_ids", "embeddings.mask_token"};
    const bool of_encoder = absl::StartsWith(name, layers) || absl::StartsWith(name, "embeddings.");
    if (!of_encoder || kBuffers.count(name) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(weights.title(), " holds the tensor ", stored,
                     ", for which config.json has no place; are model_type and ", facts.keys.layers,
                     " those of these weights?"));
  }
  return absl::OkStatus();
}

// What stands beside the weights. An artifact's config.json has it all.
absl::Status read_neighbours(const std::string& path, ModelFolder& out) {
  ModelConfig& config = out.config;
  if (out.has_our_names) return absl::OkStatus();
  if (const std::string file = path + "/preprocessor_config.json";
      config.reads_images() && is_file(file)) {
    ESPALIER_ASSIGN_OR_RETURN(const Json json, read_bounded_json(file, kMaxConfigBytes));
    return read_preprocessor(json, config);
  }
  if (const std::string file = path + "/1_Pooling/config.json";
      !config.reads_images() && !out.has_classifier && is_file(file)) {
    ESPALIER_ASSIGN_OR_RETURN(const Json json, read_bounded_json(file, kMaxConfigBytes));
    Fields fields(json, "1_Pooling/config.json");
    bool mean = false;
    fields.boolean("pooling_mode_mean_tokens", mean);
    config.pooling = mean ? Pooling::kMean : Pooling::kFirst;
    return fields.status();
  }
  return absl::OkStatus();
}

}  // namespace

std::string hugging_face_name(const ModelConfig& config, const std::string& ours) {
  const auto names = their_names(config, ours);
  return names.empty() ? "" : names.front().name;
}

std::string stored_name(const Tensors& tensors, const ModelFolder& folder,
                        const std::string& ours) {
  if (folder.has_our_names) return tensors.count(ours) > 0 ? ours : "";
  for (const TheirName& theirs : their_names(folder.config, ours)) {
    const std::string name = theirs.prefixed ? folder.name_prefix + theirs.name : theirs.name;
    for (const std::string& spelling : {name, old_norm_name(name)}) {
      if (tensors.count(spelling) > 0) return spelling;
    }
  }
  return "";
}

absl::StatusOr<ModelFolder> inspect_model_folder(const std::string& path) {
  if (!is_file(path + "/config.json")) {
    return absl::InvalidArgumentError(
        "the folder has no config.json; a model is config.json, its weights (model.safetensors) "
        "and its tokenizer");
  }
  ESPALIER_ASSIGN_OR_RETURN(const WeightFiles weights, WeightFiles::open(path));
  ESPALIER_ASSIGN_OR_RETURN(const Json json,
                            read_bounded_json(path + "/config.json", kMaxConfigBytes));
  ModelFolder out;
  ESPALIER_ASSIGN_OR_RETURN(out.config, read_model_config(json));
  ESPALIER_RETURN_IF_ERROR(find_names(weights, out));
  if (!out.has_our_names) {
    Fields fields(json);
    find_head(weights.tensors(), stated_head(facts_of(out.config), fields), out);
  } else if (!holds(weights.tensors(), out, "pooler.weight")) {
    out.config.pooler_width = 0;
  }
  ESPALIER_RETURN_IF_ERROR(fit_head(weights.tensors(), out));
  ESPALIER_RETURN_IF_ERROR(check_tensors(weights, out));
  ESPALIER_RETURN_IF_ERROR(refuse_extra(weights, out));
  ESPALIER_RETURN_IF_ERROR(read_neighbours(path, out));
  if (!out.config.reads_images()) {
    ESPALIER_RETURN_IF_ERROR(check_tokenizer_files(path, out.config.vocabulary));
  }
  out.counts = count(out.config, out.config.reads_images() ? out.config.positions : 128);
  return out;
}

}  // namespace espalier
