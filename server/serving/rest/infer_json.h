// Bodies of POST .../infer: JSON, and after it what came or goes as binary data. Pure functions to
// and from the protocol's messages, which always carry raw contents here.
//
// Source: the Open Inference Protocol's REST form and Triton's binary tensor extension. Where we
// differ: outputs in JSON are checked to be JSON (Triton writes bytes that are no UTF-8 as they
// are).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"

namespace espalier::server {

// More of it is worth sending as binary data: numbers take many times their size while they are
// read. Tensors behind the JSON do not count.
inline constexpr size_t kMaxJsonBytes = 8 << 20;

// Which outputs go as binary data; the rest is JSON.
struct OutputForms {
  bool binary = false;  // what is not named below
  std::map<std::string, bool> binary_of;

  bool is_binary(const std::string& output) const;
};

struct InferBody {
  inference::ModelInferRequest request;  // the model's name and version are the path's business
  OutputForms forms;
};

// `json_size` is the header Inference-Header-Content-Length: so much of the body is JSON; without
// it all of it is. Parameters that are about the body's form are gone from the request, others are
// in it. INVALID_ARGUMENT says which tensor or parameter is wrong, what was found and what works.
absl::StatusOr<InferBody> parse_infer_body(std::string_view body, std::optional<size_t> json_size);

// A body without JSON (Inference-Header-Content-Length: 0): the one element of the model's first
// input, which must be BYTES, with no length before it: a text, or an image file. Every output goes
// as binary data.
absl::StatusOr<InferBody> parse_plain_body(std::string_view body,
                                           const inference::ModelMetadataResponse& metadata);

struct WrittenBody {
  std::string text;
  std::optional<size_t> json_size;  // when binary data follow the JSON
};

// INVALID_ARGUMENT when an output was wanted in JSON and has no form there.
absl::StatusOr<WrittenBody> write_infer_body(const inference::ModelInferResponse& response,
                                             const OutputForms& forms);

}  // namespace espalier::server
