// The protocol's calls without a transport: gRPC and REST are two ways in. Requests and answers are
// the messages of inference/grpc_service.proto.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"

namespace espalier::server {

class Protocol {
 public:
  virtual ~Protocol() = default;

  using Answered = std::function<void(absl::Status, inference::ModelInferResponse)>;
  // Cancels when it is destroyed or told to.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void cancel() = 0;
  };
  // Calls `answered` once, on any thread, possibly before infer() returns, and also after cancel().
  // The request is copied or moved in. Never waits for the model.
  virtual std::shared_ptr<Call> infer(inference::ModelInferRequest request,
                                      std::chrono::steady_clock::time_point deadline,
                                      Answered answered) = 0;

  virtual bool live() const = 0;
  virtual bool ready() const = 0;
  // An unknown model is not ready; that is no error.
  virtual absl::StatusOr<bool> model_ready(const std::string& name,
                                           const std::string& version) const = 0;
  virtual inference::ServerMetadataResponse server_metadata() const = 0;
  // NOT_FOUND names the models or the versions that there are.
  virtual absl::StatusOr<inference::ModelMetadataResponse> model_metadata(
      const std::string& name, const std::string& version) const = 0;
  virtual absl::StatusOr<inference::ModelConfigResponse> model_config(
      const std::string& name, const std::string& version) const = 0;
  // Empty name: all models; empty version: all versions.
  virtual absl::StatusOr<inference::ModelStatisticsResponse> model_statistics(
      const std::string& name, const std::string& version) const = 0;
  virtual inference::RepositoryIndexResponse repository_index(bool only_ready) const = 0;

  // These two take minutes: run them off the threads that bring calls. Of the request only the
  // parameters are read. FAILED_PRECONDITION where a control plane says what is served.
  virtual absl::Status load(const std::string& name,
                            const inference::RepositoryModelLoadRequest& request) = 0;
  virtual absl::Status unload(const std::string& name,
                              const inference::RepositoryModelUnloadRequest& request) = 0;
};

}  // namespace espalier::server
