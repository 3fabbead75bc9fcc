// A ModelInferRequest, checked against the model it is for: pure functions from protobuf to rows.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/runtime/engine.h"
#include "inference/grpc_service.pb.h"
#include "server/serving/answer_text.h"
#include "server/serving/infer_parameters.h"
#include "server/serving/tensors.h"

namespace espalier::server {

inline constexpr int kMaxRequestRows = 4096;
// A longer one is no input of a model that reads some hundred tokens; encoding it holds up others.
inline constexpr size_t kMaxTextBytes = 256 << 10;
// Of an encoded image; a request with the largest one is still taken (kMaxMessageBytes).
inline constexpr size_t kMaxImageBytes = 16 << 20;
// Of all encoded images of a request, decoded: four of the largest that are decoded at all, or some
// twenty photographs as telephones take them. A few bytes may promise many pixels.
inline constexpr int64_t kMaxRequestPixels = int64_t{256} << 20;

struct WantedOutput {
  Output output;
  int classes = 0;  // that many by name instead of the numbers; see classification.h
};
std::vector<Output> names_of_outputs(std::span<const WantedOutput> outputs);

struct ParsedRequest {
  // Either texts, as views into the request and of equal counts unless `pairs` is empty, ...
  std::vector<std::string_view> texts, pairs;
  // ... or encoded images, views likewise, ...
  std::vector<std::string_view> images;
  // ... or rows of ids without padding, or of pixels; knobs are not set yet.
  std::vector<runtime::Row> rows;
  std::vector<ReadRow> read;  // of questions as ids
  InferParameters parameters;
  std::vector<WantedOutput> outputs;  // in the order asked for; all when the request names none
};

// INVALID_ARGUMENT says which tensor or parameter is wrong, what was found and what would work.
absl::StatusOr<ParsedRequest> parse_infer_request(const inference::ModelInferRequest& request,
                                                  const runtime::ModelInfo& info);

struct EncodedRequest {
  std::vector<runtime::Row> rows;  // ready for the engine, knobs set
  bool truncated = false;          // any row was cut to the model's length
  // How each row of the request was read; views into the request. Empty for pixels, and for ids but
  // those of questions.
  std::vector<ReadRow> read;
};

// Tokenises texts and decodes images on the calling thread. INVALID_ARGUMENT names the row that
// cannot be read, or that is read in so many windows that with as many for each row they were above
// kMaxRequestRows, or says that the answer would be too large (answer_size.h). `go_on`, when given,
// is asked before each text and each image; what it has against another one ends the work.
absl::StatusOr<EncodedRequest> encode_request(ParsedRequest request, const runtime::Engine& engine,
                                              const std::function<absl::Status()>& go_on = {});

}  // namespace espalier::server
