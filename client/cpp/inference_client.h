// Asks an inference server that speaks the Open Inference Protocol over gRPC.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"

namespace espalier::client {

struct Prediction {
  // As a data set's label column writes it: a name, a number, names with "|" or spaces between
  // them; the part of the context that answers a question; the words of a masked text, with spaces
  // between them.
  std::string label;
  std::string answer;  // JSON with scores and places; empty where the model's task has no such
  std::optional<float> confidence;  // none for numbers
  int exit_layer = 0;               // 1-based
  std::vector<float> logits, probabilities;
  std::string version;  // what ran
};

struct PredictOptions {
  std::optional<double> exit_threshold;
  std::optional<int> max_exit_layer;
  std::string version;  // alias or version; empty: the server's choice
};

struct Predictions {
  std::string model, version;  // what ran
  std::vector<Prediction> rows;
};

class InferenceClient {
 public:
  explicit InferenceClient(const std::string& address);
  ~InferenceClient();

  absl::StatusOr<bool> server_live();
  absl::StatusOr<bool> server_ready();
  // An unknown model is not ready.
  absl::StatusOr<bool> model_ready(const std::string& model, const std::string& version = "");
  absl::StatusOr<inference::ServerMetadataResponse> server_metadata();
  absl::StatusOr<inference::ModelMetadataResponse> model_metadata(const std::string& model,
                                                                  const std::string& version = "");
  // One row a text; `pairs` is empty or as long as `texts`. One request.
  absl::StatusOr<Predictions> predict(const std::string& model,
                                      const std::vector<std::string>& texts,
                                      const std::vector<std::string>& pairs = {},
                                      const PredictOptions& options = {});
  // Of models that read images: encoded JPEG or PNG files, one row each.
  absl::StatusOr<Predictions> predict_images(const std::string& model,
                                             const std::vector<std::string>& files,
                                             const PredictOptions& options = {});
  // The protocol itself.
  absl::StatusOr<inference::ModelInferResponse> infer(const inference::ModelInferRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The wire form of predict() and predict_images(), as pure functions.
absl::StatusOr<inference::ModelInferRequest> make_infer_request(
    const std::string& model, const std::vector<std::string>& texts,
    const std::vector<std::string>& pairs, const PredictOptions& options);
absl::StatusOr<inference::ModelInferRequest> make_image_request(
    const std::string& model, const std::vector<std::string>& files, const PredictOptions& options);
// INTERNAL names the output whose type, shape or length is not what the protocol says.
absl::StatusOr<Predictions> read_predictions(const inference::ModelInferResponse& response,
                                             size_t rows);

}  // namespace espalier::client
