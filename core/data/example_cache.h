// Encoded splits between jobs: what one job has tokenised, the next one of the same data and the
// same tokenizer finds; so does a job that is taken up again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/splits.h"
#include "core/spec/dataset_spec.h"
#include "core/task/features.h"

namespace espalier {

// A name for what load_splits() gives: the SHA-256 over the files of the data set, what the spec
// says about them (label names as they stand there: the files decide the rest), the tokenizer's
// files in `model_folder` or how images are prepared, the length, and this build.
absl::StatusOr<std::string> examples_key(const DatasetSpec& spec, const std::string& model_folder,
                                         const Reading& reading);

// A folder of files by key. Several processes may use one folder.
class ExampleCache {
 public:
  static constexpr uint64_t kMaxBytes = uint64_t{4} << 30;

  // Nothing is found and nothing is kept where `folder` is empty. Files beyond `max_bytes` are
  // removed, the longest unused first.
  explicit ExampleCache(std::string folder, uint64_t max_bytes = kMaxBytes)
      : folder_(std::move(folder)), max_bytes_(max_bytes) {}

  bool enabled() const { return !folder_.empty(); }
  // None where they are not kept, or are damaged: then the file is removed.
  std::optional<Splits> find(const std::string& key) const;
  // RESOURCE_EXHAUSTED where they are larger than the cache or the disk is full. A job goes on
  // without it.
  absl::Status keep(const std::string& key, const Splits& splits) const;

 private:
  std::string path_of(const std::string& key) const { return folder_ + "/" + key; }

  std::string folder_;
  uint64_t max_bytes_;
};

}  // namespace espalier
