// A published artifact's folder (core/artifact/artifact.h) as export reads it, without torch.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/spec/model_config.h"
#include "core/spec/precision.h"
#include "core/spec/tasks.h"
#include "core/spec/weight_files.h"

namespace espalier {

// Numbers with a shape, row by row.
struct Values {
  std::vector<int64_t> shape;
  std::vector<float> data;
};

// Every tensor that the config demands is there, in its shape and in the artifact's precision: the
// accessors need no checks. They give fp32 values, whatever the precision.
struct StoredArtifact {
  std::string folder;
  ModelConfig config;
  Json spec;  // espalier.json
  TaskKind task;
  Precision precision = Precision::kFp32;
  WeightFiles weights;

  // A tensor by our name (expected_tensors()).
  Values values(const std::string& name) const;
  // The weight of a dense or masked linear layer or of one factor ("layers.0.ffn.up",
  // "layers.0.ffn.up.down") as it acts, [outputs, inputs]: a mask is applied.
  Values factor(const std::string& linear) const;
  // The same of a linear layer in any form: factors are multiplied.
  Values matrix(const std::string& linear) const;
  bool is_factored(const std::string& linear) const;
  // What an engine that does not multiply in fp32 may be off by (artifact/golden.h); 0 where
  // golden.safetensors does not say.
  double slack() const;
};

// INVALID_ARGUMENT or NOT_FOUND names the file and what is wrong with it.
absl::StatusOr<StoredArtifact> open_artifact(const std::string& folder);

}  // namespace espalier
