// How an artifact's weights lie in model.safetensors, by its precision:
//
//   fp32  every tensor F32
//   bf16  the weights of the layers' linear layers BF16, rounded to nearest
//   int8  the same I8 [outputs, inputs], and beside each NAME a NAME.scale F32 [outputs]
//         (int8_rows.h)
//
// All else is fp32 in any of them. A row of the embeddings is looked up, not multiplied, so fewer
// bits would save no time, and its error would enter every layer; norms and biases are a thousandth
// of the bytes; the heads' products are of one row and their sums are the answer itself. So the
// file of a MiniLM, half of which is embeddings, is 1.5 times smaller in int8, that of a BERT base
// 2.4 times. Masks (only in folders that were not written by artifact.h) are U8 or BOOL.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/spec/model_config.h"
#include "core/spec/precision.h"
#include "core/spec/weight_files.h"

namespace espalier {

// Whether a tensor of expected_tensors() has fewer bits in artifacts that are not fp32.
bool is_narrowed(const std::string& name, const std::vector<int64_t>& shape);
// "layers.0.ffn.up.weight.scale"
std::string scale_name(const std::string& weight);

// "format" in espalier.json: 1 of fp32, which every build reads, and 2 of the others, which builds
// that know 1 only would take for damaged weights.
int artifact_format(Precision precision);
// The precision that an espalier.json states; `path` is for messages. INVALID_ARGUMENT for a
// format or a precision that this build does not know. Throws as Json does.
absl::StatusOr<Precision> stated_precision(const Json& spec, const std::string& path);

// INVALID_ARGUMENT when a tensor that the config demands is missing, of another shape or type than
// `precision` has it in, or without good scales.
absl::Status check_stored_weights(const WeightFiles& weights, const ModelConfig& config,
                                  Precision precision);

// The values of a tensor that check_stored_weights() has passed, in fp32: `to` has room for all.
void read_stored(const WeightFiles& weights, const std::string& name, float* to);

}  // namespace espalier
