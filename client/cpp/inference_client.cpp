#include "client/cpp/inference_client.h"

#include <bit>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/cpp/connection.h"
#include "core/base/status_macros.h"
#include "inference/grpc_service.grpc.pb.h"

namespace espalier::client {
namespace {

static_assert(std::endian::native == std::endian::little, "raw tensors are little-endian");

using Service = inference::GRPCInferenceService;

void append_bytes(std::string& raw, const std::string& element) {
  auto length = static_cast<uint32_t>(element.size());
  raw.append(reinterpret_cast<const char*>(&length), sizeof length);
  raw.append(element);
}

inference::ModelInferRequest empty_request(const std::string& model,
                                           const PredictOptions& options) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  request.set_model_version(options.version);
  auto& parameters = *request.mutable_parameters();
  if (options.exit_threshold)
    parameters["exit_threshold"].set_double_param(*options.exit_threshold);
  if (options.max_exit_layer) parameters["max_exit_layer"].set_int64_param(*options.max_exit_layer);
  return request;
}

void add_bytes_input(inference::ModelInferRequest& request, const char* name,
                     const std::vector<std::string>& elements) {
  auto& input = *request.add_inputs();
  input.set_name(name);
  input.set_datatype("BYTES");
  input.add_shape(static_cast<int64_t>(elements.size()));
  std::string& raw = *request.add_raw_input_contents();
  for (const auto& element : elements) append_bytes(raw, element);
}

absl::Status malformed(const std::string& output, const std::string& what) {
  return absl::InternalError(
      absl::StrCat("the inference server sent output \"", output, "\" with ", what));
}

template <class T>
absl::StatusOr<std::vector<T>> numbers(const std::string& output, const std::string& raw,
                                       size_t rows) {
  if (raw.size() % (sizeof(T) * rows) != 0 || raw.empty()) {
    return malformed(output, absl::StrCat(raw.size(), " bytes for ", rows, " rows"));
  }
  std::vector<T> values(raw.size() / sizeof(T));
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

absl::StatusOr<std::vector<std::string>> strings(const std::string& output, const std::string& raw,
                                                 size_t rows) {
  std::vector<std::string> values;
  for (size_t at = 0; at < raw.size();) {
    uint32_t length = 0;
    if (raw.size() - at < sizeof length) return malformed(output, "a broken BYTES element");
    std::memcpy(&length, raw.data() + at, sizeof length);
    at += sizeof length;
    if (raw.size() - at < length) return malformed(output, "a broken BYTES element");
    values.push_back(raw.substr(at, length));
    at += length;
  }
  if (values.size() != rows)
    return malformed(output, absl::StrCat(values.size(), " values for ", rows, " rows"));
  return values;
}

// Row r of a flat [rows, width] tensor.
std::vector<float> row_of(const std::vector<float>& flat, size_t rows, size_t r) {
  const auto width = static_cast<std::ptrdiff_t>(flat.size() / rows);
  auto begin = flat.begin() + static_cast<std::ptrdiff_t>(r) * width;
  return {begin, begin + width};
}

}  // namespace

struct InferenceClient::Impl {
  Peer peer;
  std::unique_ptr<Service::Stub> stub;

  template <class Request, class Response>
  absl::StatusOr<Response> call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                                const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
    Response response;
    ESPALIER_RETURN_IF_ERROR(to_status((stub.get()->*method)(&context, request, &response), peer));
    return response;
  }
};

InferenceClient::InferenceClient(const std::string& address)
    : impl_(new Impl{{"the inference server", address, "start it with 'espalier up'"},
                     Service::NewStub(make_channel(address, -1))}) {}
InferenceClient::~InferenceClient() = default;

absl::StatusOr<bool> InferenceClient::server_live() {
  ESPALIER_ASSIGN_OR_RETURN(
      auto response, impl_->call(&Service::Stub::ServerLive, inference::ServerLiveRequest()));
  return response.live();
}

absl::StatusOr<bool> InferenceClient::server_ready() {
  ESPALIER_ASSIGN_OR_RETURN(
      auto response, impl_->call(&Service::Stub::ServerReady, inference::ServerReadyRequest()));
  return response.ready();
}

absl::StatusOr<bool> InferenceClient::model_ready(const std::string& model,
                                                  const std::string& version) {
  inference::ModelReadyRequest request;
  request.set_name(model);
  request.set_version(version);
  auto response = impl_->call(&Service::Stub::ModelReady, request);
  if (absl::IsNotFound(response.status())) return false;
  if (!response.ok()) return response.status();
  return response->ready();
}

absl::StatusOr<inference::ServerMetadataResponse> InferenceClient::server_metadata() {
  return impl_->call(&Service::Stub::ServerMetadata, inference::ServerMetadataRequest());
}

absl::StatusOr<inference::ModelMetadataResponse> InferenceClient::model_metadata(
    const std::string& model, const std::string& version) {
  inference::ModelMetadataRequest request;
  request.set_name(model);
  request.set_version(version);
  return impl_->call(&Service::Stub::ModelMetadata, request);
}

absl::StatusOr<inference::ModelInferResponse> InferenceClient::infer(
    const inference::ModelInferRequest& request) {
  return impl_->call(&Service::Stub::ModelInfer, request);
}

absl::StatusOr<Predictions> InferenceClient::predict(const std::string& model,
                                                     const std::vector<std::string>& texts,
                                                     const std::vector<std::string>& pairs,
                                                     const PredictOptions& options) {
  ESPALIER_ASSIGN_OR_RETURN(auto request, make_infer_request(model, texts, pairs, options));
  ESPALIER_ASSIGN_OR_RETURN(auto response, infer(request));
  return read_predictions(response, texts.size());
}

absl::StatusOr<Predictions> InferenceClient::predict_images(const std::string& model,
                                                            const std::vector<std::string>& files,
                                                            const PredictOptions& options) {
  ESPALIER_ASSIGN_OR_RETURN(auto request, make_image_request(model, files, options));
  ESPALIER_ASSIGN_OR_RETURN(auto response, infer(request));
  return read_predictions(response, files.size());
}

absl::StatusOr<inference::ModelInferRequest> make_infer_request(
    const std::string& model, const std::vector<std::string>& texts,
    const std::vector<std::string>& pairs, const PredictOptions& options) {
  if (texts.empty()) return absl::InvalidArgumentError("no text to predict for");
  if (!pairs.empty() && pairs.size() != texts.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", texts.size(), " texts but ", pairs.size(),
                     " second texts; each text needs one, or none has any"));
  }
  inference::ModelInferRequest request = empty_request(model, options);
  add_bytes_input(request, "text", texts);
  if (!pairs.empty()) add_bytes_input(request, "text_pair", pairs);
  return request;
}

absl::StatusOr<inference::ModelInferRequest> make_image_request(
    const std::string& model, const std::vector<std::string>& files,
    const PredictOptions& options) {
  if (files.empty()) return absl::InvalidArgumentError("no image to predict for");
  inference::ModelInferRequest request = empty_request(model, options);
  add_bytes_input(request, "image", files);
  return request;
}

absl::StatusOr<Predictions> read_predictions(const inference::ModelInferResponse& response,
                                             size_t rows) {
  if (response.outputs_size() != response.raw_output_contents_size()) {
    return absl::InternalError(absl::StrCat("the inference server sent ", response.outputs_size(),
                                            " outputs with ", response.raw_output_contents_size(),
                                            " contents"));
  }
  Predictions result{response.model_name(), response.model_version(),
                     std::vector<Prediction>(rows)};
  for (auto& row : result.rows) row.version = response.model_version();
  for (int i = 0; i < response.outputs_size(); ++i) {
    const auto& name = response.outputs(i).name();
    const auto& raw = response.raw_output_contents(i);
    if (name == "label" || name == "answer") {
      ESPALIER_ASSIGN_OR_RETURN(auto values, strings(name, raw, rows));
      for (size_t r = 0; r < rows; ++r) {
        (name == "label" ? result.rows[r].label : result.rows[r].answer) = values[r];
      }
    } else if (name == "exit_layer") {
      ESPALIER_ASSIGN_OR_RETURN(auto values, numbers<int32_t>(name, raw, rows));
      for (size_t r = 0; r < rows; ++r) result.rows[r].exit_layer = values[r];
    } else if (name == "confidence") {
      ESPALIER_ASSIGN_OR_RETURN(auto values, numbers<float>(name, raw, rows));
      for (size_t r = 0; r < rows; ++r) result.rows[r].confidence = values[r];
    } else if (name == "logits" || name == "probabilities") {
      ESPALIER_ASSIGN_OR_RETURN(auto values, numbers<float>(name, raw, rows));
      for (size_t r = 0; r < rows; ++r) {
        (name == "logits" ? result.rows[r].logits : result.rows[r].probabilities) =
            row_of(values, rows, r);
      }
    }
  }
  return result;
}

}  // namespace espalier::client
