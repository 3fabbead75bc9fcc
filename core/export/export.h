// An artifact as files that other programs read.
//
//   onnx          model.onnx (weights beside it in model.onnx.data where they are too large for one
//                 file), config.json as the artifact has it
//   transformers  config.json, model.safetensors: a plain folder for from_pretrained()
//
// Weights and products are fp32 in both, whatever the artifact's precision: those of int8 have its
// rounded values. Both get the tokenizer's files or the image preprocessor's settings. See
// onnx_network.h for inputs and outputs, plain_shape.h for what a transformers folder can hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace espalier {

// "onnx", "transformers".
std::vector<std::string> export_formats();

struct ExportOptions {
  std::string format = "onnx";
  bool exits = false;  // onnx: an output for every exit head more
  // Weights of more bytes go to a file beside the model: protobuf ends at 2 GB.
  uint64_t largest_model = uint64_t{1900} << 20;
};

struct ExportReport {
  std::string format;
  std::vector<std::string> files;
  std::vector<std::string> inputs, outputs;  // onnx
  std::vector<std::string> notes;            // what differs from the artifact, as sentences
};

// FAILED_PRECONDITION unless `folder` is new or empty; for who would work for nothing otherwise.
absl::Status check_export_folder(const std::string& folder);

// Reads an artifact's folder, writes `folder`, which must be new or empty: it appears whole or not
// at all. INVALID_ARGUMENT and NOT_FOUND: the artifact or the options; FAILED_PRECONDITION: the
// format cannot hold this artifact, or the folder is there already.
absl::StatusOr<ExportReport> export_artifact(const std::string& artifact, const std::string& folder,
                                             const ExportOptions& options);

}  // namespace espalier
