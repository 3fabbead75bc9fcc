#include "core/spec/weight_files.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/options.h"
#include "core/base/status_macros.h"
#include "core/spec/bounded_files.h"

namespace espalier {
namespace {

constexpr char kSingle[] = "model.safetensors", kIndex[] = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = 32 << 20;
constexpr size_t kMaxShards = 1024;

absl::Status no_weights(const std::string& folder) {
  for (const char* name : {"pytorch_model.bin", "model.bin", "pytorch_model.pt", "model.pt",
                           "pytorch_model.bin.index.json"}) {
    if (!is_file(absl::StrCat(folder, "/", name))) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is a pickle, which can run code when it is read, so it is refused; save the model with "
        "save_pretrained(..., safe_serialization=True) and upload model.safetensors"));
  }
  return absl::InvalidArgumentError(
      "the folder has no model.safetensors and no model.safetensors.index.json; a model is "
      "config.json, its weights and its tokenizer");
}

absl::Status bad_index(const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(kIndex, " ", why));
}

bool is_shard_name(const std::string& name) {
  static constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return name.size() <= 255 && name.find_first_not_of(kPlain) == std::string::npos &&
         !absl::StartsWith(name, ".") && absl::EndsWith(name, ".safetensors");
}

// Tensor -> shard, names checked.
absl::StatusOr<std::map<std::string, std::string>> read_index(const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(Json json, read_bounded_json(path, kMaxIndexBytes));
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() ||
      json["weight_map"].empty()) {
    return bad_index("must be {\"weight_map\": {tensor: file, ...}}");
  }
  std::map<std::string, std::string> out;
  std::set<std::string> shards;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() || !is_shard_name(file.get<std::string>())) {
      return bad_index(absl::StrCat("puts the tensor ", tensor, " into ",
                                    file.dump(-1, ' ', true, Json::error_handler_t::replace),
                                    "; a shard is a plain name in this folder, like "
                                    "model-00001-of-00002.safetensors"));
    }
    out[tensor] = file.get<std::string>();
    shards.insert(out[tensor]);
  }
  if (shards.size() > kMaxShards) {
    return bad_index(
        absl::StrCat("names ", shards.size(), " files; at most ", kMaxShards, " are taken"));
  }
  return out;
}

}  // namespace

absl::StatusOr<WeightFiles> WeightFiles::open_single(const std::string& folder) {
  WeightFiles out;
  out.title_ = kSingle;
  ESPALIER_ASSIGN_OR_RETURN(auto file, SafetensorsFile::open(absl::StrCat(folder, "/", kSingle)));
  out.files_.push_back(std::move(file));
  return out;
}

absl::StatusOr<WeightFiles> WeightFiles::open(const std::string& folder) {
  if (is_file(absl::StrCat(folder, "/", kSingle))) return open_single(folder);
  WeightFiles out;
  const std::string index = absl::StrCat(folder, "/", kIndex);
  if (!is_file(index)) return no_weights(folder);
  out.title_ = kIndex;
  ESPALIER_ASSIGN_OR_RETURN(auto shard_of, read_index(index));
  ESPALIER_RETURN_IF_ERROR(out.open_shards(folder, shard_of));
  return out;
}

absl::Status WeightFiles::open_shards(const std::string& folder,
                                      const std::map<std::string, std::string>& shard_of) {
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  for (const std::string& shard : shards) {
    const std::string path = absl::StrCat(folder, "/", shard);
    if (!is_file(path)) {
      return bad_index(
          absl::StrCat("names ", shard, ", which is not in the folder; upload all of its files"));
    }
    ESPALIER_ASSIGN_OR_RETURN(auto file, SafetensorsFile::open(path));
    for (const auto& [name, info] : file->tensors()) {
      auto said = shard_of.find(name);
      if (said == shard_of.end() || said->second != shard) {
        return bad_index(absl::StrCat(
            said == shard_of.end() ? "does not name" : absl::StrCat("puts into ", said->second),
            " the tensor ", name, ", which stands in ", shard));
      }
      merged_[name] = info;
      file_of_[name] = file.get();
    }
    files_.push_back(std::move(file));
  }
  for (const auto& [tensor, shard] : shard_of) {
    if (merged_.count(tensor) == 0) {
      return bad_index(
          absl::StrCat("puts the tensor ", tensor, " into ", shard, ", which does not hold it"));
    }
  }
  return absl::OkStatus();
}

const std::byte* WeightFiles::data(const std::string& name) const {
  const auto& all = tensors();
  auto info = all.find(name);
  if (info == all.end()) return nullptr;
  const SafetensorsFile* file = files_.size() == 1 ? files_.front().get() : file_of_.at(name);
  return file->data(info->second);
}

}  // namespace espalier
