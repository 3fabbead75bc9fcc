#include "core/spec/model_folder.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

absl::Status missing_weights(const std::string& folder) {
  if (exists(folder + "/model.safetensors.index.json")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the weights are sharded (model.safetensors.index.json); save them in one file with "
        "save_pretrained(..., max_shard_size=\"100GB\")"));
  }
  for (const char* name : {"pytorch_model.bin", "model.bin", "pytorch_model.pt", "model.pt"}) {
    if (!exists(absl::StrCat(folder, "/", name))) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is a pickle, which can run code when it is read, so it is refused; save the model with "
        "save_pretrained(..., safe_serialization=True) and upload model.safetensors"));
  }
  return absl::InvalidArgumentError(
      "the folder has no model.safetensors; a model is config.json, "
      "model.safetensors and vocab.txt");
}

// Entries of vocab.txt: lines, a last line without a newline included.
absl::StatusOr<int64_t> vocabulary_lines(const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(std::string text, read_file(path));
  int64_t lines = 0;
  for (char c : text) lines += c == '\n';
  return lines + (!text.empty() && text.back() != '\n');
}

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

bool starts_with(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

}  // namespace

std::string hugging_face_name(const ModelConfig&, const std::string& ours) {
  const size_t dot = ours.rfind('.');
  if (dot == std::string::npos) return "";
  const std::string stem = ours.substr(0, dot), leaf = ours.substr(dot);
  if (leaf != ".weight" && leaf != ".bias") return "";
  static const std::map<std::string, std::string> kWhole = {
      {"embeddings.word", "embeddings.word_embeddings"},
      {"embeddings.position", "embeddings.position_embeddings"},
      {"embeddings.token_type", "embeddings.token_type_embeddings"},
      {"embeddings.norm", "embeddings.LayerNorm"},
      {"pooler", "pooler.dense"},
      {"classifier", "classifier"}};
  static const std::map<std::string, std::string> kInLayer = {
      {"attention.query", "attention.self.query"},
      {"attention.key", "attention.self.key"},
      {"attention.value", "attention.self.value"},
      {"attention.output", "attention.output.dense"},
      {"attention.norm", "attention.output.LayerNorm"},
      {"ffn.up", "intermediate.dense"},
      {"ffn.down", "output.dense"},
      {"ffn.norm", "output.LayerNorm"}};
  if (auto it = kWhole.find(stem); it != kWhole.end()) return it->second + leaf;
  if (!starts_with(stem, "layers.")) return "";
  const size_t end = stem.find('.', 7);
  if (end == std::string::npos) return "";
  auto it = kInLayer.find(stem.substr(end + 1));
  return it == kInLayer.end()
             ? ""
             : absl::StrCat("encoder.layer.", stem.substr(7, end - 7), ".", it->second, leaf);
}

std::string stored_name(const std::map<std::string, TensorInfo>& tensors, const ModelFolder& folder,
                        const std::string& ours) {
  if (folder.has_our_names) return tensors.count(ours) > 0 ? ours : "";
  std::string name = hugging_face_name(folder.config, ours);
  if (name.empty()) return "";
  if (!starts_with(name, "classifier.")) name = folder.name_prefix + name;
  if (tensors.count(name) > 0) return name;
  // Checkpoints converted from TensorFlow call a norm's weight gamma and its bias beta.
  if (const size_t at = name.rfind("LayerNorm."); at != std::string::npos) {
    name = name.substr(0, at) + (name.compare(at, std::string::npos, "LayerNorm.weight") == 0
                                     ? "LayerNorm.gamma"
                                     : "LayerNorm.beta");
    if (tensors.count(name) > 0) return name;
  }
  return "";
}

absl::StatusOr<ModelFolder> inspect_model_folder(const std::string& path) {
  if (!exists(path + "/config.json")) {
    return absl::InvalidArgumentError(
        "the folder has no config.json; a model is config.json, model.safetensors and vocab.txt");
  }
  if (!exists(path + "/model.safetensors")) return missing_weights(path);
  ESPALIER_ASSIGN_OR_RETURN(Json json, read_json(path + "/config.json"));
  ModelFolder out;
  ESPALIER_ASSIGN_OR_RETURN(out.config, read_model_config(json));
  ModelConfig& config = out.config;
  ESPALIER_ASSIGN_OR_RETURN(auto file, SafetensorsFile::open(path + "/model.safetensors"));
  const auto& tensors = file->tensors();

  const std::string word = "embeddings.word_embeddings.weight";
  out.has_our_names = tensors.count("embeddings.word.weight") > 0;
  if (!out.has_our_names && tensors.count(word) == 0) {
    if (tensors.count("bert." + word) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("model.safetensors has neither ", word, " nor bert.", word, " among its ",
                       tensors.size(), " tensors; it holds no BERT encoder"));
    }
    out.name_prefix = "bert.";
  }
  // A checkpoint may come without its pooler or task head (a plain encoder, a masked language
  // model); they are then made anew. One that has a head of unstated size states it by its shape.
  out.has_classifier = !stored_name(tensors, out, "classifier.weight").empty();
  if (stored_name(tensors, out, "pooler.weight").empty()) config.pooler_width = 0;
  if (!out.has_classifier) {
    config.classes = 0;
    config.label_names.clear();
  } else if (config.classes == 0) {
    const auto& shape = tensors.at(stored_name(tensors, out, "classifier.weight")).shape;
    if (shape.empty() || shape[0] < 1 || shape[0] > 65536) {
      return absl::InvalidArgumentError("tensor classifier.weight must have 1 to 65536 rows");
    }
    config.classes = static_cast<int>(shape[0]);
  }
  for (const auto& [ours, shape] : expected_tensors(config)) {
    const std::string stored = stored_name(tensors, out, ours);
    if (stored.empty()) {
      const std::string theirs = hugging_face_name(config, ours);
      const bool prefixed = !theirs.empty() && !starts_with(theirs, "classifier.");
      return absl::InvalidArgumentError(absl::StrCat("model.safetensors lacks the tensor ",
                                                     out.has_our_names || theirs.empty() ? ours
                                                     : prefixed ? out.name_prefix + theirs
                                                                : theirs));
    }
    ESPALIER_RETURN_IF_ERROR(check_tensor(stored, tensors.at(stored), shape));
  }
  if (!exists(path + "/vocab.txt")) {
    return absl::InvalidArgumentError(
        "the folder has no vocab.txt; a model is config.json, model.safetensors and vocab.txt");
  }
  ESPALIER_ASSIGN_OR_RETURN(int64_t lines, vocabulary_lines(path + "/vocab.txt"));
  if (lines < 1 || lines > config.vocabulary) {
    return absl::InvalidArgumentError(
        absl::StrCat("vocab.txt has ", lines, " entries, but the embedding has ", config.vocabulary,
                     " rows; it needs a row for each entry"));
  }
  out.counts = count(config, 128);
  return out;
}

}  // namespace espalier
