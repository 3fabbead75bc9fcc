// What we publish: a folder that is a model, and everything needed to serve it and to believe it.
//
//   config.json         Hugging Face keys where shapes are uniform, per-layer shapes in "espalier"
//   model.safetensors   our tensor names (spec/model_config.h), in final shape and precision
//                       (spec/stored_weights.h)
//   espalier.json       format and precision (spec/stored_weights.h), task, labels, longest input,
//                       exit method with its calibrated threshold
//   vocab.txt, ...      the tokenizer's files, as uploaded; models that read images have none, and
//                       config.json says in "espalier" what is done to an image
//   golden.safetensors  golden.h
//   report.json, README.md   written by the job
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/artifact/golden.h"
#include "core/base/options.h"
#include "core/model/model.h"
#include "core/spec/precision.h"

namespace espalier {

struct ExitSpec {
  std::string method;
  double threshold = 0;      // calibrated
  double low = 0, high = 0;  // allowed range
};

struct ArtifactSpec {
  std::string task;
  std::vector<std::string> label_names;
  int max_length = 0;
  Precision precision = Precision::kFp32;  // of the weights
  std::optional<ExitSpec> exit;
};

struct Artifact {
  Model model;
  ArtifactSpec spec;
  std::string weights_sha256;  // of model.safetensors
};

// Writes all but the report and the card: the model as_stored() in the spec's precision. Tokenizer
// files are copied from `tokenizer_folder`.
absl::Status save_artifact(const std::string& folder, const Model& model, const ArtifactSpec& spec,
                           const std::string& tokenizer_folder, const Golden& golden);
// INVALID_ARGUMENT or NOT_FOUND names the file and what is wrong with it.
absl::StatusOr<Artifact> load_artifact(const std::string& folder);
// Replaces espalier.json (calibration happens on the saved artifact).
absl::Status save_spec(const std::string& folder, const ArtifactSpec& spec);

}  // namespace espalier
