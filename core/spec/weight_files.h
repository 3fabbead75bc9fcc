// The weights of a model folder: model.safetensors, or the shards that
// model.safetensors.index.json names. The index is as untrusted as the files: shards are plain
// names in the same folder, every tensor stands in exactly the shard that the index says, and
// nothing else stands there.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/spec/safetensors.h"

namespace espalier {

class WeightFiles {
 public:
  // One file is used when both are there, as Hugging Face does. A folder with neither is refused; a
  // pytorch_model.bin in it as a pickle, with the reason.
  static absl::StatusOr<WeightFiles> open(const std::string& folder);
  // Of an artifact, which has model.safetensors and nothing else in its place: NOT_FOUND names it.
  static absl::StatusOr<WeightFiles> open_single(const std::string& folder);

  // Of all files together. Offsets are those of each tensor's own file: use data().
  const std::map<std::string, TensorInfo>& tensors() const {
    return files_.size() == 1 ? files_.front()->tensors() : merged_;
  }
  // Bytes of a tensor, or null when there is none of that name. They live as long as this does.
  const std::byte* data(const std::string& name) const;
  // "model.safetensors", or the index: what messages call it.
  const std::string& title() const { return title_; }

 private:
  absl::Status open_shards(const std::string& folder,
                           const std::map<std::string, std::string>& shard_of);

  std::string title_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  // Of several files only.
  std::map<std::string, TensorInfo> merged_;
  std::map<std::string, const SafetensorsFile*> file_of_;
};

}  // namespace espalier
