// Tensors on the wire: the model's inputs and outputs by name, and reading elements whether they
// come typed or raw.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/runtime/engine.h"
#include "core/spec/tasks.h"
#include "inference/grpc_service.pb.h"

namespace espalier::server {

enum class Output { kLogits, kProbabilities, kLabel, kExitLayer, kConfidence, kAnswer };

struct TensorSpec {
  const char* name;
  const char* datatype;
  inference::DataType type;
  bool optional = false;  // inputs: may be left out
  bool wide = false;      // [n, T], [n, C], [n, T, C] or pixels; otherwise [n]
};

// In the order of the protocol's answers; output i is static_cast<Output>(i).
std::span<const TensorSpec> output_specs();
// Of models that read texts, or images.
std::span<const TensorSpec> input_specs(Reads reads);
// Outputs of a model that is asked for none in particular, the ones that its metadata lists.
// Regression has neither probabilities nor a confidence. Masked language models list no logits,
// which are as many as the vocabulary, and give them when asked; they have no probabilities.
// Classification lists no "answer", which is
// its label and confidence again, and gives it when asked.
std::span<const Output> usual_outputs(Objective objective);
std::optional<Output> output_by_name(std::string_view name);

// What stands behind the rows in the shape of a wide input; -1: as long as the longest row.
std::vector<int64_t> sizes_of_input(const runtime::ModelInfo& info);
// What stands behind the rows in the shape of a wide output; -1: as long as the longest row's.
std::vector<int64_t> sizes_of_row(const runtime::ModelInfo& info);

// One input tensor and where its elements are.
struct InputTensor {
  const inference::ModelInferRequest::InferInputTensor* tensor = nullptr;
  const std::string* raw = nullptr;  // null: typed contents
  int index = 0;                     // in the request
};

// The inputs with their contents. INVALID_ARGUMENT when raw and typed contents are mixed or the
// counts of tensors and raw contents differ; UNIMPLEMENTED for shared memory.
absl::StatusOr<std::vector<InputTensor>> input_tensors(const inference::ModelInferRequest& request);

// Number of elements of a shape; INVALID_ARGUMENT for negative sizes and absurd products.
absl::StatusOr<int64_t> element_count(const InputTensor& input);

// BYTES elements, as views into the request.
absl::StatusOr<std::vector<std::string_view>> read_bytes(const InputTensor& input);
// INT32 or INT64 elements.
absl::StatusOr<std::vector<int64_t>> read_integers(const InputTensor& input);
// UINT8 elements.
absl::StatusOr<std::vector<uint8_t>> read_octets(const InputTensor& input);

// "[2,16]".
std::string shape_text(const google::protobuf::RepeatedField<int64_t>& shape);
// INVALID_ARGUMENT about one input, with the field named for programs.
absl::Status bad_input(const InputTensor& input, const std::string& message);

// Raw little-endian bytes.
std::string raw_bytes(std::span<const float> values);
std::string raw_bytes(std::span<const int32_t> values);
std::string raw_bytes(std::span<const std::string_view> values);

}  // namespace espalier::server
